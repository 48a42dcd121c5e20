// What this node was told, as it holds now. Read only: the file is where settings are changed.
import { useEffect, useState } from 'preact/hooks';
import { call } from '../api';
import { may, type Live } from '../live';
import type { Settings as Told } from '../schema';

/** As much of a JSON Schema as the help needs. */
interface Shape {
	description?: string;
	default?: unknown;
	properties?: Record<string, Shape>;
	items?: Shape;
	$ref?: string;
}

interface Row {
	name: string;
	value: unknown;
	shape: Shape;
}

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null && !Array.isArray(value);
const isObjects = (value: unknown): value is Record<string, unknown>[] => Array.isArray(value) && value.length > 0 && value.every(isObject);

function written(value: unknown): string {
	if (Array.isArray(value) && !value.some((one) => typeof one === 'object'))
		return value.length > 0 ? value.join(', ') : 'none';
	return value === null ? 'none' : typeof value === 'string' ? value : JSON.stringify(value);
}

/** Objects whose members are settings themselves become dotted names; lists of objects are tables of their own. */
function rowsOf(values: Record<string, unknown>, shape: Shape, prefix = ''): Row[] {
	return Object.entries(values).flatMap(([name, value]) => {
		const known = shape.properties?.[name] ?? {};
		if (isObjects(value))
			return [];
		if (isObject(value) && known.properties)
			return rowsOf(value, known, `${prefix}${name}.`);
		return [{ name: prefix + name, value, shape: known }];
	});
}

function differs({ value, shape }: Row): boolean {
	return JSON.stringify(value) !== JSON.stringify(shape.default ?? null) && !('default' in shape ? written(value) === written(shape.default) : false);
}

function Table({ rows, title }: { rows: Row[]; title: string }) {
	return (
		<div class="wide" tabIndex={0} role="region" aria-label={title}>
			<table class="settings">
				<thead><tr><th scope="col">setting</th><th scope="col">value</th><th scope="col">default</th><th scope="col">what it is</th></tr></thead>
				<tbody>
					{rows.map((row) => (
						<tr key={row.name}>
							<th scope="row"><code>{row.name}</code></th>
							<td>{differs(row) ? <strong>{written(row.value)}</strong> : written(row.value)}</td>
							<td class="faint">{'default' in row.shape ? written(row.shape.default) : 'none'}</td>
							<td class="help">{row.shape.description}</td>
						</tr>
					))}
				</tbody>
			</table>
		</div>
	);
}

interface Part {
	title: string;
	rows: Row[];
}

function partsOf(values: Record<string, unknown>, shape: Shape, one = 'This node'): Part[] {
	const parts: Part[] = [{ title: one, rows: rowsOf(values, shape) }];
	for (const [name, value] of Object.entries(values)) {
		const known = shape.properties?.[name];
		if (isObjects(value))
			for (const item of value)
				parts.push({ title: `${name}: ${String(item.name ?? item.class ?? '')}`, rows: rowsOf(item, known?.items ?? {}) });
		else if (isObject(value) && known)
			parts.push(...partsOf(value, known, name).slice(1));
	}
	return parts;
}

async function look(): Promise<{ told: Told; shape: Shape }> {
	const [told, description] = await Promise.all([call('GET /v1/config', {}), call('GET /openapi.json', {})]);
	const schemas = (description.components as { schemas: Record<string, Shape> }).schemas;
	return { told, shape: schemas.Configuration ?? {} };
}

export function Settings({ live }: { live: Live }) {
	const [found, setFound] = useState<{ told: Told; shape: Shape } | null>(null);
	const [fault, setFault] = useState('');
	const [word, setWord] = useState('');
	const [changed, setChanged] = useState(false);
	useEffect(() => {
		if (may('admin'))
			look().then(setFound).catch((error: Error) => setFault(error.message));
	}, [live.who]);
	if (!may('admin'))
		return <><h1>Settings</h1><p class="empty">{live.who && 'Your token may not look at the settings: that needs the role admin.'}</p></>;
	const matches = (row: Row) => (!changed || differs(row)) && `${row.name} ${written(row.value)} ${row.shape.description ?? ''}`.toLowerCase().includes(word.toLowerCase());
	const parts = found ? partsOf(found.told.settings as Record<string, unknown>, found.shape).map((part) => ({ ...part, rows: part.rows.filter(matches) })) : [];
	return (
		<>
			<h1>Settings</h1>
			{fault && <p class="said bad" role="alert"><span aria-hidden="true">✕</span> {fault}</p>}
			{found && <p class="faint">As they hold now{found.told.file ? <>; what is changed in <code>{found.told.file}</code> holds after a reload (SIGHUP)</> : ': no configuration file was given, so these are the defaults'}.
				{' '}Secrets are masked. What differs from its default stands out.</p>}
			{found?.told.refused && <p class="verdict bad"><strong><span aria-hidden="true">✕</span> The last reload was refused:</strong> {found.told.refused}</p>}
			<div class="filters">
				<label>Find <input id="find" value={word} size={24} spellcheck={false} onInput={(event) => setWord(event.currentTarget.value)} /></label>
				<label><input type="checkbox" checked={changed} onChange={(event) => setChanged(event.currentTarget.checked)} /> only what differs from its default</label>
			</div>
			{parts.filter((part) => part.rows.length > 0).map((part) => <section key={part.title}><h2>{part.title}</h2><Table rows={part.rows} title={part.title} /></section>)}
			{found && parts.every((part) => part.rows.length === 0) && <p class="empty">No setting is like that.</p>}
		</>
	);
}
