extension DocsPage {
    /// Draws the page from `openapi.json` and sends what is tried; texts only ever enter as text, never as markup.
    static let script = #"""
        'use strict';

        const element = (name, properties, ...children) => {
          const node = Object.assign(document.createElement(name), properties);
          node.append(...children);
          return node;
        };

        const key = document.getElementById('key');

        function resolve(spec, schema) {
          if (!schema || !schema.$ref) return schema || {};
          return spec.components.schemas[schema.$ref.split('/').pop()] || {};
        }

        // A first body to try: the examples and required members of the schema.
        function sample(spec, schema) {
          const resolved = resolve(spec, schema);
          if (resolved.examples) return resolved.examples[0];
          if (resolved.anyOf && !resolved.properties) return sample(spec, resolved.anyOf[0]);
          if (resolved.enum) return resolved.enum[0];
          if (resolved.type === 'object') {
            const body = {};
            for (const [name, member] of Object.entries(resolved.properties || {})) {
              if (name === 'spec') continue;
              body[name] = sample(spec, member);
            }
            return body;
          }
          return { string: '', boolean: true, integer: 0, array: [] }[resolved.type] ?? null;
        }

        function fields(operation, shared) {
          return [...shared, ...(operation.parameters || [])].map((parameter) => {
            const input = element('input', { type: 'text', required: parameter.required });
            const label = element('label', {}, `${parameter.name} (${parameter.in})`, input,
              element('span', { textContent: parameter.description || '' }));
            return { parameter, input, label };
          });
        }

        function request(path, method, inputs, body) {
          let target = path;
          const query = new URLSearchParams();
          const headers = {};
          if (key.value) headers['X-API-Key'] = key.value;
          for (const { parameter, input } of inputs) {
            if (!input.value) continue;
            if (parameter.in === 'path') target = target.replace(`{${parameter.name}}`, encodeURIComponent(input.value));
            if (parameter.in === 'query') query.set(parameter.name, input.value);
            if (parameter.in === 'header') headers[parameter.name] = input.value;
          }
          if (body) headers['Content-Type'] = 'application/json';
          const text = query.toString();
          return [text ? `${target}?${text}` : target, { method: method.toUpperCase(), headers, body: body || undefined }];
        }

        async function show(response, output, stop) {
          output.textContent = `${response.status} ${response.statusText}\n`;
          if (!response.body) return;
          if ((response.headers.get('Content-Type') || '').startsWith('application/json')) {
            output.textContent += JSON.stringify(await response.json(), null, 2);
            return;
          }
          const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
          stop.hidden = false;
          for (;;) {
            const { value, done } = await reader.read();
            if (done) break;
            output.textContent = (output.textContent + value).slice(-20000);
          }
          stop.hidden = true;
        }

        function form(spec, path, method, operation, shared) {
          const inputs = fields(operation, shared);
          const schema = operation.requestBody?.content['application/json'].schema;
          const body = schema && element('textarea', { rows: 6, value: JSON.stringify(sample(spec, schema), null, 2) });
          const output = element('pre', { hidden: true });
          const stop = element('button', { type: 'button', textContent: 'Stop', hidden: true });
          const node = element('form', {}, ...inputs.map((field) => field.label));
          if (body) node.append(element('label', {}, 'body', body));
          node.append(element('button', { textContent: 'Try it' }), stop, output);
          node.addEventListener('submit', async (event) => {
            event.preventDefault();
            output.hidden = false;
            output.textContent = '…';
            const abort = new AbortController();
            stop.onclick = () => { abort.abort(); stop.hidden = true; };
            try {
              const [url, options] = request(path, method, inputs, body && body.value);
              await show(await fetch(url, { ...options, signal: abort.signal }), output, stop);
            } catch (error) {
              if (error.name !== 'AbortError') output.textContent = String(error);
            }
          });
          return node;
        }

        function answers(operation) {
          const rows = Object.entries(operation.responses).map(([status, response]) =>
            element('tr', {}, element('td', { textContent: status }), element('td', { textContent: response.description })));
          return element('table', {}, ...rows);
        }

        function draw(spec) {
          document.getElementById('version').textContent = spec.info.version;
          document.getElementById('about').textContent = spec.info.description;
          const operations = document.getElementById('operations');
          for (const [path, item] of Object.entries(spec.paths)) {
            for (const [method, operation] of Object.entries(item)) {
              if (method === 'parameters') continue;
              const title = element('summary', {},
                element('b', { className: method, textContent: method.toUpperCase() }),
                element('code', { textContent: path }), element('span', { textContent: operation.summary }));
              operations.append(element('details', {}, title,
                form(spec, path, method, operation, item.parameters || []), answers(operation)));
            }
          }
          for (const [name, schema] of Object.entries(spec.components.schemas)) {
            document.getElementById('schemas').append(element('details', {},
              element('summary', {}, element('code', { textContent: name })),
              element('pre', { textContent: JSON.stringify(schema, null, 2) })));
          }
        }

        fetch('openapi.json')
          .then((response) => response.json())
          .then(draw)
          .catch((error) => { document.getElementById('about').textContent = `Cannot load openapi.json: ${error}`; });

        """#
}
