import { useEffect, useState } from 'preact/hooks';
import { call } from '../api';
import { askNodes, may, type Live } from '../live';
import type { Node } from '../schema';
import { Ask, State, useAction, When } from '../ui';

function nameOf(node: Node): string {
	return node.host ?? node.id;
}

function Row({ node, busy, turn }: { node: Node; busy: boolean; turn: (node: Node) => void }) {
	return (
		<tr>
			<th scope="row">{nameOf(node)} {node.self && <span class="faint">(this one)</span>}</th>
			<td>{node.draining ? <State of="draining" /> : <State of="active" />}</td>
			<td><code>{node.id}</code></td>
			<td>{node.version ?? '–'}</td>
			<td class="n">{node.workers ?? '–'}</td>
			<td><When at={node.started_at} /></td>
			{may('admin') && <td class="do"><button type="button" disabled={busy} onClick={() => turn(node)}
				aria-label={`${node.draining ? 'Resume' : 'Drain'} ${nameOf(node)}`}>{node.draining ? 'Resume' : 'Drain…'}</button></td>}
		</tr>
	);
}

export function Nodes({ live }: { live: Live }) {
	const [act, note, busy] = useAction();
	const [asked, setAsked] = useState<Node | null>(null);
	useEffect(() => void askNodes(), []);
	const turn = (node: Node, drains: boolean) => act(async () => {
		setAsked(null);
		await call(drains ? 'POST /v1/nodes/{node}/drain' : 'POST /v1/nodes/{node}/resume', { node: node.id });
		await askNodes();
		return drains ? `Node ${nameOf(node)} finishes what it has and takes nothing more.` : `Node ${nameOf(node)} takes tasks again.`;
	});
	return (
		<>
			<h1>Nodes</h1>
			<p class="faint">Every musterd of this namespace.</p>
			{note}
			<div class="wide" tabIndex={0} role="region" aria-label="Nodes">
				<table>
					<thead><tr><th scope="col">host</th><th scope="col">state</th><th scope="col">id</th><th scope="col">version</th><th scope="col" class="n">workers</th>
						<th scope="col">started</th>{may('admin') && <th scope="col">do</th>}</tr></thead>
					<tbody>{live.nodes.map((node) => <Row key={node.id} node={node} busy={busy} turn={() => (node.draining ? turn(node, false) : setAsked(node))} />)}</tbody>
				</table>
			</div>
			{asked && <Ask title={`Drain node ${nameOf(asked)}?`} yes="Drain" onNo={() => setAsked(null)} onYes={() => turn(asked, true)}>
				<p>Its workers finish the tasks that they have in hand and take no others, until it is resumed. Tasks that wait are left to other nodes.</p></Ask>}
		</>
	);
}
