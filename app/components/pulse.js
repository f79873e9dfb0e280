// Asks for its fragment, or for the whole `page`, to be drawn again, `every` ms after it was, and at no bad moment:
// page.js, which stands before this, knows those. Streamlit's own timer (`run_every`) asks in any.
const REST = 30 // ms between two looks whether it may ask
const PATIENCE = 4000 // ms until it asks again where no answer came

export default function ({ data, parentElement, setTriggerValue }) {
  const place = parentElement.querySelector("i")
  const beat = () => {
    const send = data.page ? page.whole : () => setTriggerValue("beat", Date.now())
    const wait = busy() || !send ? REST : PATIENCE
    if (wait === PATIENCE) ask(send)
    place.infnet = setTimeout(beat, wait)
  }
  clearTimeout(place.infnet)
  place.infnet = setTimeout(beat, data.every)
  return () => clearTimeout(place.infnet)
}
