// JSON Schemas as people read them, and examples made from them.

import { element, prose } from '../shared/dom.js';

/** Nested deeper than this, an example stops. */
const exampleDepth = 6;

/** Fills a `<details>` when it is opened for the first time: most never are. */
export function onFirstOpen(details, content) {
  details.addEventListener('toggle', () => details.append(content()), { once: true });
}

export class Schemas {
  constructor(document) {
    this.components = document.components?.schemas ?? {};
  }

  /** The schema behind a reference, with `allOf` merged; `name` is the component's. */
  resolve(schema) {
    if (schema?.$ref) {
      const name = schema.$ref.split('/').pop();
      return { name, ...this.resolve(this.components[name] ?? {}) };
    }
    if (!schema?.allOf) return schema ?? {};
    const { allOf, ...rest } = schema;
    return [...allOf, rest].map((part) => this.resolve(part)).reduce((merged, part) => ({
      ...merged, ...part, name: merged.name ?? part.name,
      properties: { ...merged.properties, ...part.properties },
        required: [...merged.required ?? [], ...part.required ?? []],
    }), {});
  }

  /** Splits `null` off a choice: `[what it is otherwise, whether it may be null]`. */
  nonNull(schema) {
    const choices = schema.anyOf ?? schema.oneOf;
    const others = choices?.filter((choice) => choice.type !== 'null') ?? [];
    if (others.length === 1 && choices.length === 2 && !schema.properties) return [{ ...schema, anyOf: undefined,
      oneOf: undefined, ...others[0] }, true];
    if (Array.isArray(schema.type)) {
      const types = schema.type.filter((type) => type !== 'null');
      return [{ ...schema, type: types.length === 1 ? types[0] : types }, types.length < schema.type.length];
    }
    return [schema, false];
  }

  /** `string`, `array of Instance`, `integer or null`. */
  typeText(schema) {
    const [inner, isNullable] = this.nonNull(schema);
    return this.plainType(inner) + (isNullable ? ' or null' : '');
  }

  plainType(schema) {
    if (schema.$ref) return schema.$ref.split('/').pop();
    if (schema.type === 'array') return `array of ${this.typeText(schema.items ?? {})}`;
    const choices = schema.anyOf ?? schema.oneOf;
    if (choices && !schema.properties) return [...new Set(choices.map((choice) => this.typeText(choice)))].join(' or ');
    if (schema.const !== undefined) return JSON.stringify(schema.const);
    if (Array.isArray(schema.type)) return schema.type.join(' or ');
    if (schema.additionalProperties
      && typeof schema.additionalProperties === 'object') return `map of ${this.typeText(schema.additionalProperties)}`;
    return schema.type ?? (schema.properties || schema.allOf ? 'object' : 'any');
  }

  /** Limits, pattern and the like. */
  limitsText(schema) {
    const [inner] = this.nonNull(schema);
    const names = { minimum: 'at least', maximum: 'at most', minLength: 'length at least', maxLength: 'length at most',
      pattern: 'pattern', format: 'format', default: 'default', minItems: 'items at least', maxItems: 'items at most' };
    return Object.entries(names).filter(([key]) => inner[key] !== undefined)
      .map(([key, text]) => `${text} ${inner[key]}`).join(', ');
  }

  // MARK: Examples

  /** A value the schema allows, from its own examples where it has some. */
  example(schema, depth = 0) {
    const resolved = this.resolve(schema);
    if (resolved.examples?.length) return resolved.examples[0];
    for (const key of ['example', 'default', 'const']) if (resolved[key] !== undefined) return resolved[key];
    if (resolved.enum) return resolved.enum.find((value) => value !== '') ?? resolved.enum[0];
    const [inner, isNullable] = this.nonNull(resolved);
    if (depth > exampleDepth) return null;
    if (inner.$ref) return this.example(inner, depth);
    if (inner.properties) return this.exampleObject(inner, depth);
    const choices = inner.anyOf ?? inner.oneOf;
    if (choices) return this.example(choices[0], depth);
    if (isNullable && depth > 0 && inner.type === 'object') return null;
    return this.exampleOf(inner, depth);
  }

  exampleOf(schema, depth) {
    if (schema.type === 'array') return schema.items ? [this.example(schema.items, depth + 1)] : [];
    if (schema.type === 'object') return schema.additionalProperties && typeof schema.additionalProperties === 'object'
      ? { name: this.example(schema.additionalProperties, depth + 1) } : {};
    if (schema.type === 'string') return schema.format === 'date-time' ? '2026-01-01T00:00:00Z' : '';
    if (schema.type === 'integer' || schema.type === 'number') return schema.minimum ?? 0;
    return schema.type === 'boolean' ? true : null;
  }

  exampleObject(schema, depth) {
    return Object.fromEntries(Object.entries(schema.properties)
      .map(([name, member]) => [name, this.example(member, depth + 1)]));
  }

  /**
   * A first body to send: what is required, and members with examples of their own. Where a body is given by one of
   * several members (`anyOf` of `required`), the first way is shown.
   */
  body(schema) {
    const resolved = this.resolve(schema);
    if (!resolved.properties) return this.example(resolved);
    const ways = (resolved.anyOf ?? resolved.oneOf ?? []).map((way) => way.required ?? []);
    const alternatives = new Set(ways.slice(1).flat());
    const wanted = Object.entries(resolved.properties).filter(([name, member]) => {
      if (alternatives.has(name)) return false;
      return resolved.required?.includes(name) || ways[0]?.includes(name) || Boolean(this.resolve(member).examples);
    });
    const members = wanted.length ? wanted : Object.entries(resolved.properties).slice(0, 1);
    return Object.fromEntries(members.map(([name, member]) => [name, this.example(member, 1)]));
  }

  // MARK: Reading

  /** A schema's members as rows; nested ones open on demand. */
  view(schema, seen = []) {
    const resolved = this.resolve(schema);
    const [inner] = this.nonNull(resolved);
    if (inner.$ref && !inner.properties) return this.view(inner, seen);
    if (inner.type === 'array' && inner.items) return element('div', { className: 'schema' },
      element('p', { className: 'muted' }, this.typeText(inner)), this.view(inner.items, seen));
    if (!inner.properties) return element('p', { className: 'schema' },
      element('span', { className: 'type' }, this.typeText(schema)), ...this.remarks(inner));
    const ways = (inner.anyOf ?? inner.oneOf ?? []).map((way) => way.required?.join(' and ')).filter(Boolean);
    return element('div', { className: 'schema' }, ways.length > 1 && element('p', { className: 'muted' },
      `Needs ${ways.join(', or ')}.`),
      element('ul', {}, ...Object.entries(inner.properties)
        .map(([name, member]) => this.member(name, member, inner.required?.includes(name), seen))));
  }

  member(name, schema, isRequired, seen) {
    const resolved = this.resolve(schema);
    const [inner] = this.nonNull(resolved);
    const head = [element('code', { className: 'name' }, name),
      element('span', { className: 'type' }, this.typeText(schema)),
      isRequired && element('span', { className: 'required' }, 'required'),
      ...this.remarks({ ...inner, ...this.resolve(inner) })];
    const nested = this.nested(inner);
    const key = resolved.name ?? nested?.$ref ?? name;
    if (!nested || seen.includes(key)) return element('li', {}, ...head);
    const details = element('details', {}, element('summary', {}, ...head));
    onFirstOpen(details, () => this.view(nested, [...seen, key]));
    return element('li', {}, details);
  }

  /** What a member holds that is worth opening. */
  nested(schema) {
    const inner = schema.type === 'array' ? schema.items ?? {} : typeof schema.additionalProperties === 'object'
      ? schema.additionalProperties : schema;
    const [resolved] = this.nonNull(this.resolve(inner));
    return resolved.$ref || resolved.properties ? resolved : null;
  }

  remarks(schema) {
    const limits = this.limitsText(schema);
    return [
      schema.description && element('span', { className: 'text' }, prose(schema.description)),
      schema.enum && element('span', { className: 'enum' },
        ...schema.enum.map((value) => element('code', {}, value === '' ? '""' : String(value)))),
      limits && element('span', { className: 'muted limits' }, limits),
    ].filter(Boolean);
  }
}
