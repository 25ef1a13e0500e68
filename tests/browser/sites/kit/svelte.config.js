import adapter from '@sveltejs/adapter-static';

// the name of the version is in the hashes: the same sources make the same files
export default { kit: { adapter: adapter({ fallback: '404.html' }), version: { name: 'one' } } };
