import { useEffect, useState } from 'preact/hooks';
import { call, Problem, token } from '../api';
import { may, useHappenings } from '../live';
import { Log } from '../log';
import type { Task } from '../schema';
import { Json, State, useAction, When } from '../ui';
import { duration, slotOf } from '../words';

function between(from: string | null, to: string | null): string {
	return from && to ? duration((Date.parse(to) - Date.parse(from)) / 1000) : '';
}

/** As it could be submitted again; never the token itself, which others may read over one's shoulder. */
function curl(task: Task): string {
	const document = {
		class: task.class, method: task.method, param: task.param, queue: task.queue, priority: task.priority,
		retry: task.max_attempts ?? undefined, meta: task.meta ?? undefined,
	};
	const quoted = JSON.stringify(document).replaceAll("'", "'\\''");
	const authorization = token() ? ' -H "Authorization: Bearer $MUSTER_TOKEN"' : '';
	return `curl -X POST ${location.origin}/v1/tasks -H 'Content-Type: application/json'${authorization} -d '${quoted}'`;
}

function Worker({ name }: { name: string }) {
	return <> on <code title={name}>{slotOf(name)}</code></>;
}

function Timeline({ task }: { task: Task }) {
	return (
		<section aria-labelledby="attempts">
			<h2 id="attempts">Executions</h2>
			<ol class="timeline">
				<li><State of="pending" /> created <When at={task.created_at} />{task.run_at && <>, to run <When at={task.run_at} /></>}</li>
				{task.history.map((execution, i) => (
					<li key={i} class="bad">
						<b><span aria-hidden="true">✕</span> {execution.kind}</b>{' '}<When at={execution.ended_at} />
						{execution.worker && <Worker name={execution.worker} />}
						{between(execution.started_at, execution.ended_at) && <> after {between(execution.started_at, execution.ended_at)}</>}
						{execution.message && <p>{execution.message}</p>}
					</li>
				))}
				{task.state === 'active' && <li><State of="active" /> since <When at={task.started_at} />{task.worker && <Worker name={task.worker} />}</li>}
				{task.finished_at && (
					<li><State of={task.state} /> <When at={task.finished_at} />
						{task.worker && <Worker name={task.worker} />}
						{between(task.started_at, task.finished_at) && <> after {between(task.started_at, task.finished_at)}</>}
					</li>
				)}
			</ol>
		</section>
	);
}

function Why({ id, state }: { id: string; state: string }) {
	const [why, setWhy] = useState('');
	useEffect(() => {
		call('GET /v1/tasks/{id}/why', { id }).then((answer) => setWhy(answer.detail)).catch(() => setWhy(''));
	}, [id, state]);
	return why ? <p class="why">{why}</p> : null;
}

const waits = ['pending', 'scheduled', 'retrying'];

const isOver = (task: Task) => ['succeeded', 'dead', 'cancelled'].includes(task.state);

function Actions({ task, show }: { task: Task; show: (task: Task) => void }) {
	const [act, note, busy] = useAction();
	const over = isOver(task);
	const copy = () => act(async () => { await navigator.clipboard.writeText(curl(task)); return 'Copied.'; });
	return (
		<div class="bulk">
			{may('submit') && ['dead', 'cancelled'].includes(task.state) && <button type="button" class="main" disabled={busy}
				onClick={() => act(async () => { show(await call('POST /v1/tasks/{id}/retry', { id: task.id })); return 'It runs again.'; })}>Retry</button>}
			{may('submit') && !over && <button type="button" disabled={busy || task.cancel_requested}
				onClick={() => act(async () => {
					const answer = await call('DELETE /v1/tasks/{id}', { id: task.id });
					show(answer);
					return waits.includes(task.state) || answer.state === 'cancelled' ? 'Cancelled.' : 'It is told to stop.';
				})}>{task.cancel_requested ? 'Told to stop' : 'Cancel'}</button>}
			<button type="button" onClick={copy}>Copy as curl</button>
			{note}
		</div>
	);
}

export function TaskPage({ id }: { id: string }) {
	const [task, setTask] = useState<Task | null>(null);
	const [fault, setFault] = useState<Problem | null>(null);
	const look = () => call('GET /v1/tasks/{id}', { id })
		.then((answer) => { setTask(answer); setFault(null); })
		.catch((error: Problem) => setFault(error));
	useEffect(() => {
		setTask(null);
		void look();
		const timer = setInterval(() => document.hidden || look(), 1000);
		return () => clearInterval(timer);
	}, [id]);
	useHappenings(({ event, data }) => {
		if (event === 'task' && data.id === id)
			void look();
		else if (event === 'progress' && data.id === id)
			setTask((shown) => shown && { ...shown, progress: data.progress as Task['progress'] });
	}, [id]);
	if (fault?.status === 404)
		return <><h1>Task {id}</h1><p class="empty">{fault.message}. Ended tasks are kept as long as their queue's retention says. <a href="#/tasks">All tasks</a></p></>;
	if (!task)
		return <><h1>Task {id}</h1>{fault && <p class="said bad" role="alert">{fault.message}</p>}</>;
	return (
		<>
			<p><a href="#/tasks">Tasks</a> / <a href={`#/tasks?queue=${encodeURIComponent(task.queue)}`}>{task.queue}</a></p>
			<h1>{task.class}.{task.method} <State of={task.state} /></h1>
			<p class="faint"><code id="task-id">{task.id}</code></p>
			<Why id={task.id} state={task.state} />
			<Actions task={task} show={setTask} />
			{task.progress && (
				<p class="progress"><progress value={task.progress.percent ?? undefined} max={100} aria-label="Progress" /> {task.progress.percent !== null && `${task.progress.percent} %`} {task.progress.note}</p>
			)}
			{task.error && (
				<section class="fault" aria-labelledby="error">
					<h2 id="error">Error: {task.error.kind}</h2>
					<p>{task.error.message}</p>
					{task.error.evidence != null && <Json value={task.error.evidence} />}
				</section>
			)}
			<Timeline task={task} />
			<dl class="facts">
				<div><dt>attempts</dt><dd>{task.attempts}{task.max_attempts ? ` of ${task.max_attempts}` : ''}</dd></div>
				<div><dt>crashes</dt><dd>{task.crashes}</dd></div>
				<div><dt>priority</dt><dd>{task.priority}</dd></div>
				<div><dt>worker</dt><dd title={task.worker ?? undefined}>{task.worker ? slotOf(task.worker) : '–'}</dd></div>
				<div><dt>created</dt><dd><When at={task.created_at} /></dd></div>
				<div><dt>started</dt><dd><When at={task.started_at} /></dd></div>
				<div><dt>finished</dt><dd><When at={task.finished_at} /></dd></div>
			</dl>
			<Log id={task.id} over={isOver(task)} />
			{task.state === 'succeeded' && <section aria-labelledby="result"><h2 id="result">Result</h2><Json value={task.result} /></section>}
			<section aria-labelledby="document"><h2 id="document">Document</h2>
				<Json value={{ class: task.class, method: task.method, param: task.param, queue: task.queue, meta: task.meta ?? undefined }} /></section>
		</>
	);
}
