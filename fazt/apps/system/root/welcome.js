// Points the owner at the admin address of the node this page came from.
const name = location.hostname.replace(/^root\./, '');
const loopback = /^(localhost|127(\.\d+){3}|0\.0\.0\.0|\[::1\])$/.test(name);
const bareAddress = /^(\d+(\.\d+){3}|\[.*\])$/.test(name);

// Another bare IP address has no names below it: the words already on the page then have to do.
if (loopback || !bareAddress) {
  const host = `admin.${loopback ? 'localhost' : name}${location.port && `:${location.port}`}`;
  const link = document.querySelector('[data-testid=admin-link]');
  link.href = `${location.protocol}//${host}/`;
  link.textContent = `Sign in at ${host}`;
  link.hidden = false;
  document.querySelector('[data-testid=admin-hint]').textContent = 'The owner looks after it at the admin address.';
}
