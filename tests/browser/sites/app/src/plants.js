import { h } from 'preact';
import './plants.css';

export default () => h('section', { class: 'plants' }, h('h1', null, 'Plants'), h('a', { href: '/plants/tulip' }, 'Tulip'));
