// Makes the types of src/schema.ts from the API's description: npm run types [-- OPENAPI_JSON]. .ci/run makes them anew from
// what the build describes, and compares: types alone, so that a better sentence there makes nothing here old.
import { readFileSync, writeFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';

const heading = `// The API as /openapi.json describes it. Made by \`npm run types\`; .ci/run makes it anew and compares.
`;

const quoted = (text) => `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
const memberName = (name) => (/^[A-Za-z_]\w*$/.test(name) ? name : quoted(name));
const either = (types) => [...new Set(types)].join(' | ');
const plain = { string: 'string', integer: 'number', number: 'number', boolean: 'boolean', null: 'null' };

function listOf(type) {
	return type.includes(' ') ? `(${type})[]` : `${type}[]`;
}

function objectType(schema, depth) {
	if (schema.properties)
		return `{\n${members(schema, depth + 1)}${'\t'.repeat(depth)}}`;
	const values = typeof schema.additionalProperties === 'object' ? typeOf(schema.additionalProperties, depth) : 'unknown';
	return `Record<string, ${values}>`;
}

function typeOf(schema, depth = 0) {
	if (schema.$ref)
		return schema.$ref.split('/').at(-1);
	if (schema.enum)
		return either(schema.enum.map((word) => (typeof word === 'string' ? quoted(word) : String(word))));
	const choices = schema.anyOf ?? schema.oneOf;
	if (choices)
		return either(choices.map((one) => typeOf(one, depth)));
	const types = [schema.type ?? 'any'].flat();
	return either(types.map((type) => {
		if (type === 'object')
			return objectType(schema, depth);
		return type === 'array' ? listOf(typeOf(schema.items ?? {}, depth)) : plain[type] ?? 'unknown';
	}));
}

function members(schema, depth) {
	const needed = new Set(schema.required ?? []);
	return Object.entries(schema.properties).map(([name, member]) =>
		`${'\t'.repeat(depth)}${memberName(name)}${needed.has(name) ? '' : '?'}: ${typeOf(member, depth)};\n`).join('');
}

/** The words of an enum are a value as well: forms offer them. */
function definition([name, schema]) {
	if (schema.enum)
		return `export const ${name} = [${schema.enum.map(quoted).join(', ')}] as const;\nexport type ${name} = (typeof ${name})[number];\n`;
	if (schema.properties)
		return `export interface ${name} {\n${members(schema, 1)}}\n`;
	return `export type ${name} = ${typeOf(schema)};\n`;
}

/** Of what is answered as JSON when all is well. */
function answerOf(operation) {
	const types = Object.entries(operation.responses)
		.filter(([status, answer]) => status < '300' && answer.content?.['application/json'])
		.map(([, answer]) => typeOf(answer.content['application/json'].schema));
	return types.length > 0 ? either(types.flatMap((type) => type.split(' | '))) : 'unknown';
}

function callType(method, path, operation) {
	const query = operation.parameters.filter((one) => one.in === 'query').map((one) => quoted(one.name));
	const body = operation.requestBody?.content['application/json'];
	return `\t${quoted(`${method.toUpperCase()} ${path}`)}: { query: ${either(query) || 'never'}; `
		+ `body: ${body ? typeOf(body.schema, 1) : 'never'}; answer: ${answerOf(operation)} };\n`;
}

export function typesOf(description) {
	const calls = Object.entries(description.paths)
		.flatMap(([path, methods]) => Object.entries(methods).map(([method, operation]) => callType(method, path, operation)));
	return `${heading}\n${Object.entries(description.components.schemas).map(definition).join('\n')}
/** Every call: the parameters of its query, its body, what it answers. */
export interface Calls {\n${calls.join('')}}\n`;
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
	const from = process.argv[2] ?? new URL('../build/doc/openapi.json', import.meta.url);
	writeFileSync(process.argv[3] ?? new URL('src/schema.ts', import.meta.url), typesOf(JSON.parse(readFileSync(from, 'utf8'))));
}
