// Hands a task over and waits for its end.     node submit.mjs CLASS METHOD [ARGUMENT…]
// MUSTER_URL (http://127.0.0.1:7077), MUSTER_TOKEN
import { randomUUID } from "node:crypto";

async function muster(method, path, body, headers = {}) {
  if (process.env.MUSTER_TOKEN) headers.Authorization = `Bearer ${process.env.MUSTER_TOKEN}`;
  const answer = await fetch((process.env.MUSTER_URL ?? "http://127.0.0.1:7077") + path, {
    method,
    headers: { "Content-Type": "application/json", ...headers },
    body: body && JSON.stringify(body),
  });
  const value = await answer.json();
  if (!answer.ok) throw new Error(`${answer.status}: ${value.detail}`); // every error says in `detail` what to do
  return value;
}

const [, , name, method, ...param] = process.argv;
// Sent again after a lost answer, the same key stores nothing twice.
let task = await muster("POST", "/v1/tasks", { class: name, method, param }, { "Idempotency-Key": randomUUID() });
while (!["succeeded", "dead", "cancelled"].includes(task.state)) task = await muster("GET", `/v1/tasks/${task.id}?wait=30s`);
const { state, result, error } = task;
console.log(JSON.stringify({ state, result, error }));
process.exitCode = state === "succeeded" ? 0 : 1;
