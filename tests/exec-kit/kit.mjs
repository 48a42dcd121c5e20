// The class that tests/exec-kit/kit wants, in JavaScript.
import { setTimeout as sleep } from 'node:timers/promises'
import * as muster from '../../sdk/muster.mjs'

export class Kit {
  noop () {}

  echo (...param) {
    return param
  }

  add (a, b) {
    return typeof a === 'object' ? a.a + a.b : a + b // named arguments are one object
  }

  retry (message) {
    throw new muster.Retry(message)
  }

  fail (message) {
    throw new Error(message)
  }

  print (text) {
    process.stdout.write(text)
  }

  async sleep (ms) {
    muster.beat()
    await sleep(ms, undefined, { signal: muster.signal() })
  }

  async hang () {
    muster.beat()
    await sleep(1 << 30)
  }

  async beat (n) {
    for (let i = 0; i < n; i++) {
      muster.beat()
      await sleep(20, undefined, { signal: muster.signal() })
    }
    return n
  }

  silence (time) {
    muster.beat(time)
  }

  progress (percent, note) {
    muster.progress(percent, note)
  }

  log (text) {
    muster.log(text)
  }

  save (object) {
    muster.save(object)
  }

  saved () {
    return muster.saved()
  }

  push (className, method) {
    muster.push(className, method)
  }
}
