// An HTTP/2 server: node http2.mjs KEY CERTIFICATE MS [1]. Says its port, then a JSON line a request; answers each after MS. With 1 it speaks
// HTTP/1.1 alone.
import { createSecureServer } from 'node:http2';
import { createServer } from 'node:https';
import { readFileSync } from 'node:fs';

const [key, cert, ms, old] = process.argv.slice(2);
const connections = new Map();

function answer(request, response) {
	const socket = request.stream?.session?.socket ?? request.socket;
	if (!connections.has(request.stream?.session ?? socket))
		connections.set(request.stream?.session ?? socket, connections.size);
	const connection = connections.get(request.stream?.session ?? socket);
	let body = '';
	request.on('data', (bytes) => { body += bytes; });
	request.on('end', () => {
		console.log(JSON.stringify({ version: request.httpVersion, method: request.method, path: request.url, connection, body }));
		setTimeout(() => { response.writeHead(200, { 'content-type': 'text/plain' }); response.end('hello'); }, Number(ms));
	});
}

const options = { key: readFileSync(key), cert: readFileSync(cert) };
const server = old ? createServer(options, answer) : createSecureServer(options, answer);
server.listen(0, '127.0.0.1', () => console.log(server.address().port));
process.stdin.resume().on('end', () => process.exit());
