import { useEffect, useState } from 'preact/hooks';
import { get } from '../api';
import type { Node } from '../types';
import { When } from '../ui';

export function Nodes() {
	const [nodes, setNodes] = useState<Node[] | null>(null);
	const [fault, setFault] = useState('');
	useEffect(() => {
		const look = () => get<{ nodes: Node[] }>('/v1/nodes')
			.then((answer) => { setNodes(answer.nodes); setFault(''); })
			.catch((error: Error) => setFault(error.message));
		void look();
		const timer = setInterval(() => document.hidden || look(), 3000);
		return () => clearInterval(timer);
	}, []);
	return (
		<>
			<h1>Nodes</h1>
			<p class="faint">Every musterd of this namespace.</p>
			{fault && <p class="said bad" role="alert"><span aria-hidden="true">✕</span> {fault}</p>}
			<div class="wide" tabIndex={0} role="region" aria-label="Nodes">
				<table>
					<thead><tr><th scope="col">host</th><th scope="col">id</th><th scope="col">version</th><th scope="col" class="n">workers</th><th scope="col">started</th></tr></thead>
					<tbody>
						{(nodes ?? []).map((node) => (
							<tr key={node.id}>
								<th scope="row">{node.host ?? '?'} {node.self && <span class="faint">(this one)</span>}{node.draining && <span class="odd"> draining</span>}</th>
								<td><code>{node.id}</code></td>
								<td>{node.version ?? '–'}</td>
								<td class="n">{node.workers ?? '–'}</td>
								<td><When at={node.started_at} /></td>
							</tr>
						))}
					</tbody>
				</table>
			</div>
		</>
	);
}
