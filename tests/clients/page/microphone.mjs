// Turns what the microphone brings into 16-bit samples, a tenth of a second at a time.
const SAMPLES = 2400;

class Microphone extends AudioWorkletProcessor {
  #samples = new Int16Array(SAMPLES);
  #filled = 0;

  process([[channel]]) {
    for (const value of channel ?? []) {
      this.#samples[this.#filled++] = Math.max(-1, Math.min(1, value)) * 32767;
      if (this.#filled === SAMPLES) {
        this.port.postMessage(this.#samples.buffer.slice(0));
        this.#filled = 0;
      }
    }
    return true;
  }
}

registerProcessor('microphone', Microphone);
