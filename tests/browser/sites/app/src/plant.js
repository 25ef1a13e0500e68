import { h } from 'preact';
import picture from './leaf.svg?no-inline';

export default ({ name }) => h('section', null, h('h1', null, `One ${name}`), h('img', { src: picture, alt: name }));
