// What the browser asks Python for: slices that are not here yet, and while the networks run what they have found. One
// question at a time: Streamlit may join two into one, and an answer that comes before the last one is drawn replaces it.
// And none in a moment that page.js calls busy.
import { ask, busy } from "./page.js"

const LOOK = 700 // ms between two questions how far the networks are
const REST = 30 // ms between two looks whether it may ask
const PATIENCE = 4000 // ms until a question that got no answer is asked again

export class Questions {
  constructor(viewer) {
    this.viewer = viewer
    this.asked = null // the number of the question that has no answer yet
    this.since = -Infinity
  }

  /** Take note of a message. */
  heard(head) {
    const { growing } = this.viewer.head
    if (head.blocks?.answers === this.asked || growing !== head.growing) this.asked = null // or its fragment is gone
  }

  ask() {
    clearTimeout(this.again)
    const { viewer } = this, want = viewer.volume.want(viewer.at[0])
    const wait = this.asked != null ? this.since + PATIENCE : want ? 0 : viewer.head.running ? this.since + LOOK : null
    if (wait == null) return
    const now = performance.now()
    if (now < wait || busy() || viewer.edits.busy) {
      this.again = setTimeout(() => this.ask(), Math.max(REST, wait - now))
      return
    }
    this.asked = Math.floor(Math.random() * 2 ** 31) // unlike those of any earlier session
    this.since = now
    const question = { ...want, reading: viewer.head.reading, at: viewer.at[0], number: this.asked }
    ask(() => viewer.send.state("want", question))
    this.again = setTimeout(() => this.ask(), PATIENCE)
  }

  leave() {
    clearTimeout(this.again)
    this.asked = null
  }
}
