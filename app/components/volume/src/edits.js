// Corrections on their way to Python, one change at a time, each with the revision that it was drawn on. Python numbers
// the revisions and refuses a change that was drawn on an older one; the marks then come anew.
import { ask, busy } from "./page.js"
import { byHand, dense, level, side } from "./store.js"

const REST = 30 // ms between two looks whether the page runs
const PATIENCE = 4000 // ms until a change that got no answer is sent again

/** What Python is told of a voxel whose mark has changed: see `app.core.corrections`. */
function code(before, after) {
  if (side(before) !== side(after)) return 4 + side(after)
  return byHand(after) ? (level(after) ? 2 + dense(after) : 1) : 0
}

/** Base64 of runs of neighbouring voxels with the same code; of a voxel that is named twice the later code counts. */
function packed(changes) {
  const runs = []
  for (const { voxels, before, after } of changes) {
    const sorted = Float64Array.from(voxels, (voxel, at) => voxel * 8 + code(before[at], after[at])).sort()
    let last = null
    for (const each of sorted) {
      const voxel = Math.floor(each / 8), kind = each % 8
      if (last && last[0] + last[1] === voxel && last[2] === kind) last[1]++
      else runs.push((last = [voxel, 1, kind]))
    }
  }
  const bytes = new Uint8Array(4 + 9 * runs.length), view = new DataView(bytes.buffer), count = runs.length
  view.setUint32(0, count, true)
  runs.forEach(([first, length, kind], at) => {
    view.setUint32(4 + 4 * at, first, true)
    view.setUint32(4 + 4 * (count + at), length, true)
    bytes[4 + 8 * count + at] = kind
  })
  let text = ""
  for (let at = 0; at < bytes.length; at += 8192) text += String.fromCharCode(...bytes.subarray(at, at + 8192))
  return btoa(text)
}

export class Edits {
  constructor(viewer) {
    this.viewer = viewer
    this.waiting = [] // changes {voxels, before, after: marks}
    this.sent = null // the message that has no answer yet
    this.unload = (event) => this.busy && event.preventDefault()
    window.addEventListener("beforeunload", this.unload)
  }

  get busy() {
    return this.sent != null || this.waiting.length > 0
  }

  queue(change) {
    this.waiting.push(change)
    this.send()
  }

  send() {
    clearTimeout(this.again)
    const { viewer } = this
    if (!this.busy || !viewer.mounted) return
    const now = performance.now(), wait = this.sent ? this.since + PATIENCE : now
    if (now < wait || busy()) {
      this.again = setTimeout(() => this.send(), Math.max(REST, wait - now))
      return
    }
    if (!this.sent) {
      const number = Math.floor(Math.random() * 2 ** 31)
      this.sent = { number, base: viewer.volume.revision, runs: packed(this.waiting) }
      this.waiting = []
    }
    this.since = now
    ask(() => viewer.send.trigger("edit", this.sent))
    this.again = setTimeout(() => this.send(), PATIENCE)
  }

  /** Take note of a message; why the marks that are here are not those of the corrections any more, where they are not. */
  heard({ revision, change, refused }) {
    const { volume } = this.viewer, ours = this.sent != null && change === this.sent.number
    const lost = this.sent != null && refused === this.sent.number, stale = !ours && revision !== volume.revision
    if (ours || lost) this.sent = null
    if (lost) this.waiting = []
    volume.revision = revision
    if (lost) return "Corrected in another window meanwhile: the last change was not taken over, and this is how it is now."
    return stale ? "" : null
  }

  leave() {
    clearTimeout(this.again)
  }

  forget() {
    window.removeEventListener("beforeunload", this.unload)
  }
}
