import { defineConfig } from 'vitepress';

export default defineConfig({
  title: 'Handbook',
  head: [['link', { rel: 'icon', href: 'data:,' }]],
  cleanUrls: process.env.CLEAN_URLS === 'yes',
  themeConfig: {
    search: { provider: 'local' },
    nav: [{ text: 'Guide', link: '/guide/start' }, { text: 'API', link: '/api/' }],
    sidebar: [
      { text: 'Guide', items: [{ text: 'Start here', link: '/guide/start' }, { text: 'Details', link: '/guide/details' }] },
      { text: 'API', items: [{ text: 'Overview', link: '/api/' }, { text: 'The store', link: '/api/store' }] },
    ],
  },
});
