#!/usr/bin/env node
/* muster.mjs: runs JavaScript classes for Muster, and submits tasks. One file, nothing else is needed; Node 18 or later.
 *
 * As a handler, it loads a module and runs the classes (or objects of functions) that this exports:
 *
 *     import { beat, progress, Retry } from '/usr/share/muster/sdk/muster.mjs'
 *
 *     export class Mailer {
 *       async send(to, subject = 'none') {         // each call on a new object; asynchronous methods may run several at a
 *         progress(50, 'half')                     // time (`concurrency`)
 *         return `${subject} to ${to}`
 *       }
 *     }
 *
 *     handlers:
 *       - {class: Mailer, exec: [node, /usr/share/muster/sdk/muster.mjs, tasks.mjs]}
 *
 * Names after the file limit what may be called. Methods whose names begin with `_` or `#` cannot be. A list in `param` is
 * positional; an object is passed as the only argument. What is returned is the result, and must be JSON. An integer beyond
 * ±2⁵³ is a BigInt, so that it stays what it is, and is returned as a number again. `Retry` asks for another execution; any other
 * exception fails the task, with its stack in the task's log, where all that is printed goes too.
 *
 * A task that is stuck or cancelled is told by SIGTERM: the object's method `exiting` is called, the task's `signal()` is aborted, and
 * the process ends as soon as its tasks have, 100 ms later at most. JavaScript that never waits does not hear it, and is killed.
 * With a `concurrency` above 1 a cancelled one alone is told, and the process lives on.
 *
 * To submit tasks from anywhere:
 *
 *     const client = new Client('http://127.0.0.1:7077')
 *     const id = await client.push('Mailer', 'send', ['you@example.org'], { retry: 3 })
 *     console.log((await client.wait(id)).result) */

import { AsyncLocalStorage } from 'node:async_hooks'
import { randomUUID } from 'node:crypto'
import fs from 'node:fs'
import http from 'node:http'
import https from 'node:https'
import { resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { pathToFileURL } from 'node:url'
import { format } from 'node:util'

/**
 * @typedef {object} Task the task in hand
 * @property {object} document as it was submitted, and the members below
 * @property {string | undefined} id
 * @property {string | undefined} queue
 * @property {number} attempt which execution this is, from 1
 * @property {number | undefined} deadlineMs time to beat or to end, from the start
 * @property {any} saved what the execution before this one saved, or null
 */

/** Run this task again, while executions remain. */
export class Retry extends Error {
  /** @param {string} [message] @param {{delay?: string}} [options] delay: "5s"; else as the task's queue says */
  constructor (message = '', { delay } = {}) {
    super(message)
    this.name = 'Retry'
    this.delay = delay
  }
}

const store = new AsyncLocalStorage()
let channel = null

// ---- what a task may say; outside of one (in a unit test, say) nothing happens ----

/** A sign of life. @param {string} [silence] how long the next silence may last ("10m"), else the pool's heartbeat_timeout */
export function beat (silence) {
  say(silence === undefined ? { beat: true } : { beat: true, for: silence })
}

/** How far the task has come. @param {number} percent 0 to 100 @param {string} [note] */
export function progress (percent, note) {
  say(note === undefined ? { progress: percent } : { progress: percent, note })
}

/** Lines for the task's log; console.log does the same. @param {...any} values as for console.log */
export function log (...values) {
  for (const line of format(...values).replace(/\n$/, '').split('\n')) say({ log: line })
}

/**
 * Submits another task.
 * @param {string} className @param {string} method
 * @param {any[] | object} [param] a list: positional arguments; an object: named ones
 * @param {object} [options] members of the task document: retry, queue, delay …
 */
export function push (className, method, param = [], options = {}) {
  say({ push: { class: className, method, param, ...options } })
}

/** Keeps up to 64 KiB for the task's next execution, so that a long job goes on where it was. @param {object} state */
export function save (state) {
  say({ save: state })
}

/** What the execution before this one saved, or null. @returns {any} */
export function saved () {
  return current()?.saved ?? null
}

/** @returns {Task | undefined} the task in hand; undefined outside of one */
export function current () {
  return store.getStore()?.task
}

/** Aborted when the task is told to stop: for fetch() and the like. @returns {AbortSignal} */
export function signal () {
  return (store.getStore()?.abort ?? new AbortController()).signal
}

function say (message) {
  const turn = store.getStore()
  if (channel && turn) channel.send(message, turn.task.id)
}

// ---- numbers that JavaScript's own would change ----

const CLEAN_UP_MS = 100
const MARK = `muster-integer-${randomUUID()}:`
const TOKEN = /"(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g
const MARKED = new RegExp(`"${MARK}(-?\\d+)"`, 'g')
const fits64 = number => BigInt.asIntN(64, number) === number || BigInt.asUintN(64, number) === number

/** JSON.parse, but integers of 64 bits beyond ±2⁵³ become BigInts. */
function parse (text) {
  if (!/\d{16}/.test(text)) return JSON.parse(text)
  const marked = text.replace(TOKEN, token =>
    /^-?\d{16,20}$/.test(token) && !Number.isSafeInteger(Number(token)) && fits64(BigInt(token)) ? `"${MARK}${token}"` : token)
  if (marked === text) return JSON.parse(text)
  return JSON.parse(marked, (_, value) =>
    typeof value === 'string' && value.startsWith(MARK) ? BigInt(value.slice(MARK.length)) : value)
}

/** JSON.stringify, but BigInts become numbers. */
function stringify (value) {
  let marked = false
  const text = JSON.stringify(value, (_, member) => {
    if (typeof member !== 'bigint') return member
    marked = true
    return MARK + member
  })
  return marked ? text.replace(MARKED, '$1') : text
}

// ---- the exec protocol: JSON documents, one a line, on what were standard input and output ----

class Channel {
  constructor () {
    this.output = Channel.moveAway()
    const write = process.stderr.write.bind(process.stderr)
    /** @param {string | Uint8Array} chunk @param {any} [encoding] @param {any} [done] */
    process.stdout.write = (chunk, encoding, done) => {
      const turn = store.getStore()
      if (!turn) return write(chunk, encoding, done)
      const lines = (turn.printed + (typeof chunk === 'string' ? chunk : Buffer.from(chunk).toString())).split('\n')
      turn.printed = lines.pop()
      for (const line of lines) say({ log: line })
      const callback = typeof encoding === 'function' ? encoding : done
      if (callback) process.nextTick(callback)
      return true
    }
  }

  /** Where standard output was is then standard error, also for programs that a task starts. Without it they would be heard. */
  static moveAway () {
    try {
      const output = fs.openSync('/proc/self/fd/1', 'w')
      const errors = fs.openSync('/proc/self/fd/2', 'a')
      fs.closeSync(1)
      if (fs.openSync('/proc/self/fd/2', 'a') !== 1) throw new Error('descriptor 1 is taken')
      fs.closeSync(errors)
      return output
    } catch (problem) {
      if (problem.code === undefined) throw problem
      return 1 // a socket, say: it cannot be opened a second time
    }
  }

  send (message, id) {
    const bytes = Buffer.from(stringify(id === undefined ? message : { ...message, id }) + '\n')
    for (let at = 0; at < bytes.length;) {
      try {
        at += fs.writeSync(this.output, bytes, at)
      } catch (problem) {
        if (problem.code === 'EPIPE') process.exit(0) // nobody reads any more
        if (problem.code !== 'EAGAIN') throw problem
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1)
      }
    }
  }
}

/** Takes lines, runs what they name, answers. */
class Runner {
  constructor (declared) {
    this.declared = declared // class name → a class, or an object of functions
    this.turns = new Set() // {task, abort, object, printed}: what runs
    this.stopping = false
    process.on('SIGTERM', () => this.stop())
  }

  async serve () {
    let rest = []
    for await (const chunk of process.stdin) {
      let from = 0
      for (let end; (end = chunk.indexOf(10, from)) >= 0; from = end + 1) {
        const line = Buffer.concat([...rest, chunk.subarray(from, end)]).toString()
        rest = []
        this.take(line)
      }
      if (from < chunk.length) rest.push(chunk.subarray(from))
    }
  }

  take (line) {
    let document
    try {
      document = parse(line)
      if (typeof document?.cancel === 'string' && document.class === undefined) {
        this.cancel(document.cancel)
        return
      }
      if (typeof document?.class !== 'string' || typeof document.method !== 'string') throw new Error('no class or no method')
    } catch (problem) {
      channel.send({ fail: `task format wrong: ${problem.message}` })
      return
    }
    const task = { document, id: document.id, queue: document.queue, attempt: document.attempt ?? 1, deadlineMs: document.deadline_ms,
      saved: document.saved ?? null }
    const turn = { task, abort: new AbortController(), object: null, printed: '' }
    this.turns.add(turn)
    store.run(turn, () => this.run(turn))
  }

  async run (turn) {
    const answer = await this.answer(turn)
    if (!this.turns.delete(turn)) return // it was answered for
    if (this.stopping) { // whatever it has come to since it was told is no end of the task
      if (this.turns.size === 0) process.exit(0)
      return
    }
    this.endLine(turn)
    try {
      channel.send(answer, turn.task.id)
    } catch (problem) {
      channel.send({ fail: `the result is no JSON: ${problem.message}` }, turn.task.id)
    }
  }

  async answer (turn) {
    const { class: className, method, param } = turn.task.document
    if (!Object.hasOwn(this.declared, className)) return { unknown: 'class' }
    try {
      const call = this.find(turn, this.declared[className], method)
      if (!call) return { unknown: 'method' }
      if (typeof (param ?? []) !== 'object') return { fail: 'param is neither a list nor an object of arguments' }
      const result = await (Array.isArray(param ?? []) ? call(...(param ?? [])) : call(param))
      return { ok: result ?? null }
    } catch (problem) {
      if (this.stopping) return null // it ends as it was told to
      if (problem instanceof Retry) return { retry: problem.message, ...(problem.delay && { delay: problem.delay }) }
      log(problem?.stack ?? problem)
      return { fail: String(problem) }
    }
  }

  /** The function, on a new object where it is a class's; null: there is no such method. */
  find (turn, target, name) {
    if (name.startsWith('_') || name === 'constructor') return null
    if (typeof target !== 'function') return Object.hasOwn(target, name) && typeof target[name] === 'function' ? target[name].bind(target) : null
    for (let owner = target; owner && owner !== Function.prototype; owner = Object.getPrototypeOf(owner)) {
      if (isMethod(owner, name)) return target[name].bind(target) // static
    }
    let owner = target.prototype
    while (owner && owner !== Object.prototype && !isMethod(owner, name)) owner = Object.getPrototypeOf(owner)
    if (!owner || owner === Object.prototype) return null
    turn.object = new target() // eslint-disable-line new-cap
    return turn.object[name].bind(turn.object)
  }

  endLine (turn) {
    if (turn.printed !== '') channel.send({ log: turn.printed }, turn.task.id)
    turn.printed = ''
  }

  stop () {
    if (this.turns.size === 0) process.exit(0)
    if (this.stopping) return
    this.stopping = true
    const all = [...this.turns].map(turn => store.run(turn, () => this.lastWords(turn)))
    Promise.all(all).then(() => setTimeout(() => process.exit(0), CLEAN_UP_MS)) // sooner when the last one has ended
  }

  /** One of several is told to stop. One that does not hear it goes on, and nobody hears it any more. */
  async cancel (id) {
    const turn = [...this.turns].find(one => one.task.id === id)
    if (!turn) return
    await store.run(turn, () => this.lastWords(turn))
    await sleep(CLEAN_UP_MS)
    if (!this.stopping && this.turns.delete(turn)) channel.send({ fail: 'told to stop' }, id)
  }

  async lastWords (turn) {
    try {
      await turn.object?.exiting?.()
    } catch (problem) {
      log('exiting:', problem)
    }
    this.endLine(turn)
    turn.abort.abort()
  }
}

function isMethod (owner, name) {
  return typeof Object.getOwnPropertyDescriptor(owner, name)?.value === 'function'
}

/** What a module exports that can be called: classes and objects of functions, under their exported names. */
function declaredBy (module, names) {
  const declared = {}
  for (const [name, value] of Object.entries(module)) {
    const callable = typeof value === 'function' ? value.prototype !== undefined : typeof value === 'object' && value !== null
    if (name !== 'default' && callable && (names.length === 0 || names.includes(name))) declared[name] = value
  }
  return declared
}

async function main (file, ...names) {
  if (file === undefined) {
    process.stderr.write('usage: muster.mjs FILE [CLASS…]\n')
    process.exit(64)
  }
  if (!fs.existsSync(file)) {
    process.stderr.write(`muster.mjs: ${file} is not there (from ${process.cwd()})\n`)
    process.exit(78)
  }
  channel = new Channel()
  const module = await import(pathToFileURL(resolve(file)).href)
  await new Runner(declaredBy(module, names)).serve()
}

// ---- submission ----

/** The server said no: `status`, and its problem document. */
export class Refused extends Error {
  /** @param {number} status @param {any} problem */
  constructor (status, problem) {
    const details = (problem.errors ?? []).map(error => `${error.pointer}: ${error.detail}`).join('; ')
    super(`${status} ${details || problem.detail || problem.title || ''}`.trimEnd())
    this.name = 'Refused'
    this.status = status
    this.problem = problem
  }
}

const ENDED = ['succeeded', 'dead', 'cancelled']
const POLL_MS = 10000

/** Submits tasks and waits for them. A server that is away or busy is asked again for `timeoutMs`. */
export class Client {
  /** @param {string} [url] also https://… and unix:/run/muster/api.sock; else $MUSTER_URL
   *  @param {{token?: string, timeoutMs?: number}} [options] token: else $MUSTER_TOKEN */
  constructor (url = process.env.MUSTER_URL || 'http://127.0.0.1:7077', { token = process.env.MUSTER_TOKEN, timeoutMs = 30000 } = {}) {
    this.url = new URL(url)
    if (!['http:', 'https:', 'unix:'].includes(this.url.protocol)) {
      throw new TypeError(`${url} is no URL as in http://127.0.0.1:7077, https://host or unix:/path`)
    }
    this.token = token
    this.timeoutMs = timeoutMs
    this.library = this.url.protocol === 'https:' ? https : http
    this.agent = new this.library.Agent({ keepAlive: true })
  }

  /**
   * Submits a task. Safe to repeat: without an `id` it makes one up.
   * @param {string} className @param {string} method @param {any[] | object} [param] @param {object} [options] as for push()
   * @returns {Promise<string>} its id
   */
  async push (className, method, param = [], options = {}) {
    return (await this.request('POST', '/v1/tasks', { id: newId(), class: className, method, param, ...options })).id
  }

  /** Submits many tasks, all or none. @param {object[]} documents @returns {Promise<string[]>} their ids */
  async pushMany (documents) {
    return (await this.request('POST', '/v1/tasks', documents.map(document => ({ id: newId(), ...document })))).ids
  }

  /** The task as it is now. @param {string} id @returns {Promise<any>} */
  get (id) {
    return this.request('GET', `/v1/tasks/${encodeURIComponent(id)}`)
  }

  /** The task when it has ended; an Error when it has not within timeoutMs. @param {string} id @param {number} [timeoutMs] */
  async wait (id, timeoutMs = Infinity) {
    const deadline = Date.now() + timeoutMs
    for (;;) {
      const left = Math.max(0, Math.min(POLL_MS, deadline - Date.now()))
      const found = await this.request('GET', `/v1/tasks/${encodeURIComponent(id)}?wait=${Math.trunc(left)}ms`)
      if (ENDED.includes(found.state)) return found
      if (Date.now() >= deadline) throw new Error(`task ${id} is ${found.state} after ${timeoutMs} ms`)
    }
  }

  /** Tells a task to stop; Refused (409) when it was over. @param {string} id @returns {Promise<any>} */
  cancel (id) {
    return this.request('DELETE', `/v1/tasks/${encodeURIComponent(id)}`)
  }

  /** Lets the process end: no connection is kept. */
  close () {
    this.agent.destroy()
  }

  /** One call of the API, JSON in, JSON out. Each of these may be repeated without harm, and is when the answer was lost. */
  async request (method, path, body) {
    const deadline = Date.now() + this.timeoutMs
    const text = body === undefined ? undefined : stringify(body)
    for (let pause = 10; ; pause = Math.min(1000, pause * 2)) {
      let refusal
      try {
        const { status, retryAfter, data } = await this.once(method, path, text)
        const answer = read(data)
        if (status < 400) return answer
        refusal = new Refused(status, answer)
        if (status !== 429 && status !== 503) throw refusal
        pause = 1000 * (Number(retryAfter) || 1)
      } catch (problem) {
        if (problem instanceof Refused) throw problem
        refusal = problem
      }
      if (Date.now() + pause > deadline) throw refusal
      await sleep(pause)
    }
  }

  once (method, path, text) {
    const headers = { Accept: 'application/json', ...(this.token && { Authorization: `Bearer ${this.token}` }) }
    if (text !== undefined) Object.assign(headers, { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(text) })
    const options = { method, headers, agent: this.agent, timeout: Math.max(this.timeoutMs, POLL_MS + 5000) }
    return new Promise((resolve, reject) => {
      const request = this.url.protocol === 'unix:' ? http.request({ ...options, socketPath: this.url.pathname, path })
        : this.library.request(new URL(path, this.url), options)
      request.on('timeout', () => request.destroy(new Error('no answer in time')))
      request.on('error', reject)
      request.on('response', response => {
        const chunks = []
        response.on('data', chunk => chunks.push(chunk))
        response.on('error', reject)
        response.on('end', () => resolve({ status: response.statusCode, retryAfter: response.headers['retry-after'],
          data: Buffer.concat(chunks).toString() }))
      })
      request.end(text)
    })
  }
}

function newId () {
  return randomUUID().replaceAll('-', '')
}

function read (data) {
  try {
    return data === '' ? {} : parse(data)
  } catch {
    return { detail: data.slice(0, 200) }
  }
}

function isProgram () {
  try {
    return import.meta.url === pathToFileURL(fs.realpathSync(process.argv[1])).href
  } catch {
    return false // no program: node -e
  }
}

if (isProgram()) {
  main(...process.argv.slice(2)).catch(problem => { // not awaited: what it loads imports this module
    process.stderr.write(`${problem?.stack ?? problem}\n`)
    process.exit(1)
  })
}
