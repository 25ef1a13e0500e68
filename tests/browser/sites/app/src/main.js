import { h, render } from 'preact';
import { lazy, LocationProvider, ErrorBoundary, Router, Route } from 'preact-iso';
import './style.css';

const Plants = lazy(() => import('./plants.js'));
const Plant = lazy(() => import('./plant.js'));
const Late = lazy(() => import('./late.js'));

const Home = () => h('h1', null, 'Garden ', import.meta.env.VITE_EDITION ?? 'one');
const Lost = () => h('h1', null, 'No such bed');

const App = () =>
  h(LocationProvider, null,
    h('nav', null, ['/', '/plants', '/plants/rose', '/late'].map((to) => h('a', { href: to, key: to }, to))),
    h(ErrorBoundary, null,
      h(Router, null,
        h(Route, { path: '/', component: Home }),
        h(Route, { path: '/plants', component: Plants }),
        h(Route, { path: '/plants/:name', component: Plant }),
        h(Route, { path: '/late', component: Late }),
        h(Route, { default: true, component: Lost }))));

render(h(App), document.getElementById('app'));
