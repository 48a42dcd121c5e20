import { useEffect, useState } from 'preact/hooks';
import { call, query } from '../api';
import { may, type Live } from '../live';
import { go } from '../route';
import { TaskState, type Filter as FilterBody, type Task, type Tasks as TaskPage } from '../schema';
import { Ask, Empty, State, useAction, When } from '../ui';
import { count, errorKinds } from '../words';

const pageSize = 50;
const filterNames = ['state', 'queue', 'class', 'method', 'error_kind', 'error', 'created_after', 'created_before', 'finished_after', 'finished_before'] as const;
const times = ['created_after', 'created_before', 'finished_after', 'finished_before'] as const;
const more = ['method', 'error_kind', 'error', ...times] as const;

type Filter = { [name in (typeof filterNames)[number]]?: string };

function filterOf(parameters: URLSearchParams): Filter {
	const filter: Filter = {};
	for (const name of filterNames)
		if (parameters.get(name))
			filter[name] = parameters.get(name)!;
	return filter;
}

/** What <input type=datetime-local> has is the local time; the API's is UTC. */
function toUtc(local: string): string {
	return local ? new Date(local).toISOString() : '';
}

function toLocal(utc: string | undefined): string {
	if (!utc)
		return '';
	const at = new Date(utc);
	return new Date(at.getTime() - at.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
}

function Filters({ filter, live }: { filter: Filter; live: Live }) {
	const apply = (event: Event) => {
		event.preventDefault();
		const form = new FormData(event.currentTarget as HTMLFormElement);
		const values: Filter = {};
		for (const name of filterNames)
			values[name] = String(form.get(name) ?? '').trim();
		for (const name of times)
			values[name] = toUtc(values[name]!);
		go(`/tasks${query(values)}`);
	};
	const choose = (event: Event) => (event.currentTarget as HTMLSelectElement).form!.requestSubmit();
	const [opened, setOpened] = useState(more.some((name) => filter[name]));
	return (
		<form class="filters" onSubmit={apply} key={JSON.stringify(filter)} aria-label="Filter">
			<label>State <select name="state" onChange={choose}>
				<option value="">any</option>{TaskState.map((state) => <option key={state} selected={filter.state === state}>{state}</option>)}
			</select></label>
			<label>Queue <select name="queue" onChange={choose}>
				<option value="">any</option>{(live.queues ?? []).map(({ name }) => <option key={name} selected={filter.queue === name}>{name}</option>)}
			</select></label>
			<label>Class <input name="class" defaultValue={filter.class} size={14} spellcheck={false} /></label>
			<details open={opened} onToggle={(event) => setOpened(event.currentTarget.open)}>
				<summary>More</summary>
				<div class="filters">
					<label>Method <input name="method" defaultValue={filter.method} size={14} spellcheck={false} /></label>
					<label>Error kind <select name="error_kind" onChange={choose}>
						<option value="">any</option>{errorKinds.map((kind) => <option key={kind} selected={filter.error_kind === kind}>{kind}</option>)}
					</select></label>
					<label>Error says <input name="error" defaultValue={filter.error} size={18} spellcheck={false} /></label>
					<label>Created after <input type="datetime-local" name="created_after" defaultValue={toLocal(filter.created_after)} /></label>
					<label>Created before <input type="datetime-local" name="created_before" defaultValue={toLocal(filter.created_before)} /></label>
					<label>Ended after <input type="datetime-local" name="finished_after" defaultValue={toLocal(filter.finished_after)} /></label>
					<label>Ended before <input type="datetime-local" name="finished_before" defaultValue={toLocal(filter.finished_before)} /></label>
				</div>
			</details>
			<button type="submit">Show</button>
			{Object.keys(filter).length > 0 && <a href="#/tasks">Clear</a>}
		</form>
	);
}

function Find() {
	const open = (event: Event) => {
		event.preventDefault();
		const id = String(new FormData(event.currentTarget as HTMLFormElement).get('id')).trim();
		if (id)
			go(`/tasks/${encodeURIComponent(id)}`);
	};
	return (
		<form class="find" onSubmit={open} role="search">
			<label for="find">Find by id</label>
			<input id="find" name="id" size={30} placeholder="press / to come here" spellcheck={false} autocomplete="off" />
			<button type="submit">Open</button>
		</form>
	);
}

interface Question {
	verb: 'retry' | 'delete';
	matched: number;
	more: boolean;
}

interface Report {
	done: number;
	matched: number;
	next_cursor: string | null;
}

async function bulkCall(verb: Question['verb'], filter: Filter, extra: { dry_run?: boolean; cursor?: string }): Promise<Report> {
	if (verb === 'retry') {
		const report = await call('POST /v1/tasks/retry', {}, { ...filter, ...extra } as FilterBody);
		return { done: report.retried, ...report };
	}
	const report = await call('DELETE /v1/tasks', { ...filter, ...extra });
	return { done: report.deleted, ...report };
}

/** All that match, with the count first; one call does what it can and says where the next goes on. */
function BulkActions({ filter, changed }: { filter: Filter; changed: () => void }) {
	const [act, note, busy] = useAction();
	const [question, setQuestion] = useState<Question | null>(null);
	const countFirst = (verb: Question['verb']) => act(async () => {
		const { matched, next_cursor } = await bulkCall(verb, filter, { dry_run: true });
		if (matched === 0)
			return `No task that matches can be ${verb === 'retry' ? 'retried' : 'deleted'}.`;
		setQuestion({ verb, matched, more: next_cursor !== null });
		return '';
	});
	const doIt = ({ verb }: Question) => act(async () => {
		setQuestion(null);
		let done = 0;
		let cursor: string | null = null;
		do {
			const answer: Report = await bulkCall(verb, filter, cursor ? { cursor } : {});
			done += answer.done;
			cursor = answer.next_cursor;
		} while (cursor);
		changed();
		return `${count(done, 'task')} ${verb === 'retry' ? 'run again' : 'deleted'}.`;
	});
	const word = question?.verb === 'retry' ? 'Retry' : 'Delete';
	const retryable = !filter.state || filter.state === 'dead' || filter.state === 'cancelled';
	return (
		<div class="bulk">
			{retryable && <button type="button" disabled={busy} onClick={() => countFirst('retry')}>Retry all that match…</button>}
			{filter.state && filter.state !== 'active' && <button type="button" disabled={busy} onClick={() => countFirst('delete')}>Delete all that match…</button>}
			{note}
			{question && (
				<Ask title={`${word} ${count(question.matched, 'task')}${question.more ? ' or more' : ''}?`} yes={`${word} ${question.more ? 'all' : question.matched}`}
					grave={question.verb === 'delete'} onNo={() => setQuestion(null)} onYes={() => doIt(question)}>
					<p>All that match: {Object.entries(filter).map(([name, value]) => `${name} = ${value}`).join(', ') || 'every dead task'}.</p>
				</Ask>
			)}
		</div>
	);
}

function Row({ task }: { task: Task }) {
	return (
		<tr>
			<th scope="row"><a data-row href={`#/tasks/${encodeURIComponent(task.id)}`}>{task.id}</a></th>
			<td><State of={task.state} /></td>
			<td>{task.class ?? '?'}.{task.method ?? '?'}</td>
			<td>{task.queue}</td>
			<td class="n">{task.attempts}{task.max_attempts ? `/${task.max_attempts}` : ''}</td>
			<td><When at={task.created_at} /></td>
			<td class="error" title={task.error?.message ?? ''}>{task.error ? `${task.error.kind}: ${task.error.message ?? ''}` : task.progress?.percent != null ? `${task.progress.percent} %` : ''}</td>
		</tr>
	);
}

const gatherMs = 1000;

/** One answer looks at so many tasks at most, however few match: a page is filled from several, within a second. */
async function gather(filter: Filter, cursor: string | undefined): Promise<TaskPage> {
	const end = Date.now() + gatherMs;
	const tasks: Task[] = [];
	let from = cursor;
	for (;;) {
		const answer = await call('GET /v1/tasks', { ...filter, limit: pageSize - tasks.length, cursor: from });
		tasks.push(...answer.tasks);
		if (!answer.next_cursor || tasks.length >= pageSize || Date.now() > end)
			return { ...answer, tasks };
		from = answer.next_cursor;
	}
}

export function Tasks({ live, parameters }: { live: Live; parameters: URLSearchParams }) {
	const filter = filterOf(parameters);
	const key = JSON.stringify(filter);
	const [cursors, setCursors] = useState<string[]>([]);
	const [page, setPage] = useState<TaskPage | null>(null);
	const [fault, setFault] = useState('');
	const [turn, setTurn] = useState(0);
	useEffect(() => { setCursors([]); setPage(null); }, [key]);
	useEffect(() => {
		let gone = false;
		gather(filter, cursors.at(-1))
			.then((answer) => { if (!gone) { setPage(answer); setFault(''); } })
			.catch((error: Error) => { if (!gone) setFault(error.message); });
		return () => { gone = true; };
	}, [key, cursors, turn]);
	// A list under one's hands must not jump: only the first page follows what happens, at leisure, and where it was soon found.
	const follows = cursors.length === 0 && !(page?.next_cursor && page.tasks.length < pageSize);
	useEffect(() => {
		const timer = setInterval(() => { if (!document.hidden && follows) setTurn((n) => n + 1); }, 3000);
		return () => clearInterval(timer);
	}, [follows]);
	return (
		<>
			<h1>Tasks</h1>
			<Find />
			<Filters filter={filter} live={live} />
			{fault && <p class="said bad" role="alert"><span aria-hidden="true">✕</span> {fault}</p>}
			{may('admin') && <BulkActions filter={filter} changed={() => setTurn((n) => n + 1)} />}
			{page && page.tasks.length > 0 && (
				<div class="wide" tabIndex={0} role="region" aria-label="Tasks that match">
					<table class="tasks">
						<thead><tr><th scope="col">id</th><th scope="col">state</th><th scope="col">what</th><th scope="col">queue</th><th scope="col" class="n">attempts</th>
							<th scope="col">created</th><th scope="col">error or progress</th></tr></thead>
						<tbody>{page.tasks.map((task) => <Row key={task.id} task={task} />)}</tbody>
					</table>
				</div>
			)}
			{page && page.tasks.length === 0 && (
				<Empty>{Object.keys(filter).length > 0
					? <p>No task matches{page.next_cursor ? ' among those looked at so far' : ''}. {!page.next_cursor && <a href="#/tasks">Show all</a>}</p>
					: <p>No tasks yet. {may('submit') && <><a href="#/submit">Submit one</a> to see it run.</>}</p>}</Empty>
			)}
			{page && (cursors.length > 0 || page.next_cursor) && (
				<nav class="pager" aria-label="Pages of the list">
					<button type="button" disabled={cursors.length === 0} onClick={() => setCursors(cursors.slice(0, -1))}>← Back</button>
					<span>page {cursors.length + 1}</span>
					<button type="button" disabled={!page.next_cursor} onClick={() => setCursors([...cursors, page.next_cursor!])}>Next →</button>
				</nav>
			)}
		</>
	);
}
