// The API page: every operation of the node's OpenAPI document, with a command line to try it.

import { call } from './api.js';
import { action, copyButton, explain, h, message, panel, quiet } from './dom.js';

const METHODS = ['get', 'post', 'put', 'patch', 'delete'];

export function reference() {
  const count = h('p', { class: 'quiet', role: 'status', testid: 'api-count' }, 'Loading …');
  const said = message();
  const groups = h('div');
  const filter = h('input', { type: 'search', testid: 'api-filter', autocomplete: 'off', spellcheck: 'false', placeholder: 'apps, POST, kv …' });
  let operations = [];

  const sift = () => {
    const terms = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const { element, text } of operations) {
      element.hidden = !terms.every((term) => text.includes(term));
      shown += element.hidden ? 0 : 1;
    }
    for (const group of groups.children) group.hidden = !group.querySelector('li:not([hidden])');
    count.textContent = terms.length ? `${shown} of ${operations.length} operations` : `${operations.length} operations`;
  };

  const fill = async () => {
    said.replaceChildren();
    try {
      const document = await call('GET', '/api/openapi.json');
      const found = collect(document);
      operations = found.flatMap((group) => group.operations);
      groups.replaceChildren(...found.map(({ name, about, operations: own }) => h('section', { class: 'card group' },
        h('h2', {}, name), about && h('p', { class: 'quiet' }, about), h('ul', { class: 'rows' }, own.map((one) => one.element)))));
      sift();
    } catch (error) {
      count.textContent = '';
      groups.replaceChildren(action('Try again', fill));
      explain(said, error);
    }
  };

  filter.addEventListener('input', sift);
  fill();
  return panel('api-panel', 'API', undefined,
    h('p', { class: 'about' }, 'What a program can ask of this node. Put a key in ', h('code', {}, 'FAZT_KEY'), ' and paste a line. The whole description: ',
      h('a', { href: '/api/openapi.json' }, 'openapi.json'), '.'),
    h('div', { class: 'filter', role: 'search' }, h('label', {}, 'Filter', filter), count), said, groups);
}

/** The operations of a document, grouped by their first tag, in the document's own order. */
function collect(document) {
  const groups = new Map((document.tags ?? []).map((tag) => [tag.name, { name: tag.name, about: tag.description, operations: [] }]));
  for (const [path, item] of Object.entries(document.paths ?? {})) {
    for (const method of METHODS.filter((one) => item[one])) {
      const operation = item[method];
      const tag = operation.tags?.[0] ?? 'other';
      if (!groups.has(tag)) groups.set(tag, { name: tag, operations: [] });
      groups.get(tag).operations.push(entry(document, method.toUpperCase(), path, item, operation));
    }
  }
  return [...groups.values()].filter((group) => group.operations.length);
}

function entry(document, method, path, item, operation) {
  const summary = operation.summary ?? '';
  const details = h('details', {}, h('summary', {}, h('span', { class: `method ${method.toLowerCase()}` }, method), ' ', h('code', {}, path), ' ', quiet(summary)));
  details.addEventListener('toggle', () => {
    const line = h('code', { testid: 'curl' }, curl(document, method, path, item, operation));
    const about = operation.description && operation.description !== summary ? operation.description : undefined;
    details.append(about ? h('p', { class: 'prose' }, about) : '', h('div', { class: 'copy' }, h('pre', {}, line), copyButton(line)));
  }, { once: true });
  const element = h('li', { testid: 'operation' }, details);
  return { element, text: [method, path, summary, ...operation.tags ?? []].join(' ').toLowerCase() };
}

const quote = (text) => `'${text.replaceAll("'", "'\\''")}'`;

function curl(document, method, path, item, operation) {
  const parts = [method === 'GET' ? 'curl' : `curl -X ${method}`];
  const ways = operation.security ?? document.security ?? [{ key: [] }];
  if (ways.length && ways.every((way) => Object.keys(way).length)) parts.push('-H "Authorization: Bearer $FAZT_KEY"');
  const contents = Object.entries(resolve(document, operation.requestBody)?.content ?? {});
  const [type, content] = contents.find(([name]) => name.includes('json')) ?? contents[0] ?? [];
  const schema = resolve(document, content?.schema);
  if (type === 'multipart/form-data') {
    for (const [name, one] of Object.entries(schema?.properties ?? {})) {
      parts.push(`-F ${quote(`${name}=${resolve(document, one).format === 'binary' ? '@' : ''}${name.toUpperCase()}`)}`);
    }
  } else if (type) parts.push(`-H ${quote(`Content-Type: ${type}`)}`, type.includes('json') ? `-d ${quote(JSON.stringify(example(document, schema)))}` : '--data-binary @FILE');
  const query = [...item.parameters ?? [], ...operation.parameters ?? []].map((one) => resolve(document, one))
    .filter((one) => one.in === 'query' && one.required).map((one) => `${encodeURIComponent(one.name)}=${one.name.toUpperCase()}`).join('&');
  parts.push(quote(location.origin + path.replace(/\{([^}]+)\}/g, (_, name) => name.toUpperCase()) + (query && `?${query}`)));
  return parts.join(' ');
}

function resolve(document, shape) {
  for (let steps = 0; shape?.$ref && steps < 8; steps += 1) {
    shape = shape.$ref.split('/').slice(1).reduce((at, key) => at?.[key], document);
  }
  return shape;
}

/** A value of the schema to start from: what must be there, in capitals where only you know it. */
function example(document, given, name = 'value', depth = 0) {
  const schema = resolve(document, given);
  if (!schema || depth > 4) return {};
  const ready = schema.example ?? schema.examples?.[0] ?? schema.const ?? schema.default ?? schema.enum?.[0] ?? undefined;
  if (ready !== undefined) return ready;
  const variant = (schema.anyOf ?? schema.oneOf ?? schema.allOf)?.find((one) => one.type !== 'null');
  if (variant) return example(document, variant, name, depth + 1);
  const type = [schema.type].flat().find((one) => one !== 'null');
  if (type === 'object' || schema.properties) {
    const all = Object.entries(schema.properties ?? {});
    const wanted = all.filter(([key]) => schema.required?.includes(key));
    return Object.fromEntries((wanted.length || depth ? wanted : all).map(([key, value]) => [key, example(document, value, key, depth + 1)]));
  }
  if (type === 'array') return schema.items ? [example(document, schema.items, name, depth + 1)] : [];
  if (type === 'integer' || type === 'number') return schema.minimum ?? 1;
  if (type === 'boolean') return true;
  return name.toUpperCase();
}
