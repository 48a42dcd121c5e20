// fastify + BullMQ: POST /tasks hands the document over to a queue, which is what Muster's POST /v1/tasks is compared with.
//   node bullmq.mjs PORT REDIS_PORT
import Fastify from 'fastify';
import { Queue } from 'bullmq';

const [port, redisPort] = process.argv.slice(2).map(Number);
const queue = new Queue('sink', { connection: { host: '127.0.0.1', port: redisPort } });
const app = Fastify();

app.post('/tasks', async (request, reply) => {
	const job = await queue.add(`${request.body.class}.${request.body.method}`, request.body);
	return reply.code(201).send({ id: job.id, queue: 'sink', state: 'pending' });
});
app.get('/', async () => ({ up: true }));
await app.listen({ host: '127.0.0.1', port });
