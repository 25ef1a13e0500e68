import { h } from 'preact';

export default () => h('h1', null, 'Late bloomer ', import.meta.env.VITE_EDITION ?? 'one');
