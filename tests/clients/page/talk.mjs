// A page that talks over /v1/realtime: its key in a sub-protocol, its microphone in, what it hears out to /report.
const settings = await (await fetch('/settings')).json();
const RATE = 24000;

/** Tells the program that serves this page. */
const report = (body) => fetch('/report', { method: 'POST', body: JSON.stringify(body) });

/** Bytes as base64, without a call of too many arguments. */
function base64(bytes) {
  let text = '';
  for (const byte of bytes) text += String.fromCharCode(byte);
  return btoa(text);
}

/** Starts the microphone; each tenth of a second goes to `send`. */
async function listen(send) {
  const microphone = await navigator.mediaDevices.getUserMedia({ audio: { echoCancellation: false } });
  const audio = new AudioContext({ sampleRate: RATE });
  await audio.audioWorklet.addModule('microphone.mjs');
  const node = new AudioWorkletNode(audio, 'microphone');
  node.port.onmessage = ({ data }) => send(base64(new Uint8Array(data)));
  audio.createMediaStreamSource(microphone).connect(node).connect(audio.destination);
  await audio.resume();
  return () => microphone.getTracks().forEach((track) => track.stop());
}

async function talk() {
  const protocols = ['realtime', `openai-insecure-api-key.${settings.key}`];
  const socket = new WebSocket(settings.url, protocols);
  const kinds = {};
  const sound = [];
  let heard = '';
  let transcript = '';
  const send = (event) => socket.readyState === WebSocket.OPEN && socket.send(JSON.stringify(event));
  const done = new Promise((resolve, reject) => {
    socket.onerror = () => reject(new Error('the socket failed'));
    socket.onclose = ({ code, reason }) => reject(new Error(`the socket was closed: ${code} ${reason}`));
    socket.onmessage = async ({ data }) => {
      const event = JSON.parse(data);
      kinds[event.type] = (kinds[event.type] ?? 0) + 1;
      if (event.type === 'session.created') send({ type: 'session.update', session: settings.session });
      if (event.type === 'session.updated') await listen((audio) => send({ type: 'input_audio_buffer.append', audio }));
      if (event.type === 'conversation.item.input_audio_transcription.completed') heard ||= event.transcript;
      if (event.type === 'response.output_audio.delta') sound.push(event.delta);
      if (event.type === 'response.output_audio_transcript.delta') transcript += event.delta;
      if (event.type === 'error') reject(new Error(event.error.message));
      if (event.type === 'response.done' && heard) resolve();
      document.getElementById('state').textContent = event.type;
    };
  });
  await done;
  return { protocol: socket.protocol, kinds, heard, transcript, sound };
}

await report(await talk().catch((error) => ({ error: `${error.name}: ${error.message}` })));
