// The component. What is here is kept while the study is open in this tab, so that another page and back sends nothing.
// data: length of the head (uint32), head (JSON), then the blocks that `head.blocks` lists one after the other.
import { busy } from "./page.js"
import { Viewer } from "./viewer.js"

const SWEEP = 2000 // ms between two looks whether the study is still open
const open = (globalThis.infnetVolume ??= { key: null, viewer: null })

const address = () => new URL(location).searchParams.get("case")

/** The study is named by the address; once it is closed there, nothing of it stays in this tab. */
function forget() {
  clearInterval(open.sweep)
  open.viewer?.forget()
  open.key = open.viewer = null
}

function unpack(data) {
  const start = 4 + new DataView(data.buffer, data.byteOffset).getUint32(0, true)
  const head = JSON.parse(new TextDecoder().decode(data.subarray(4, start)))
  let from = start
  const blocks = head.blocks.list.map(({ what, slices, size }) => {
    from += size
    return { what, slices, bytes: data.subarray(from - size, from) }
  })
  return { head, blocks }
}

export default function ({ data, parentElement, setStateValue, setTriggerValue }) {
  const { head, blocks } = unpack(data)
  if (open.key !== head.key) {
    forget()
    Object.assign(open, { key: head.key, viewer: new Viewer(head), address: address() })
    open.sweep = setInterval(() => {
      open.address ??= address() // Streamlit names the case a moment after it is opened
      if (!busy() && address() !== open.address) forget() // a link leaves the case out until the page has run
    }, SWEEP)
  }
  const { viewer } = open
  viewer.update(head, blocks)
  const place = parentElement.querySelector(".infnet-volume-place")
  if (viewer.root.parentElement !== place) place.replaceChildren(viewer.root)
  const send = { state: setStateValue, trigger: setTriggerValue }
  viewer.mount(send)
  return () => viewer.send === send && viewer.leave() // where the page was drawn anew, the next one is mounted already
}
