/**
 * Our relay for the Stately inspector: a page on this machine that shows stately.ai's inspector in a frame, and a WebSocket that
 * speaks the protocol of @statelyai/inspect. Unlike their relay it binds loopback only, checks who asks, and keeps every actor's
 * definition and newest snapshot, so that a late viewer sees all of them. What it is told is what leaves for the frame.
 */
import { createServer, type IncomingMessage } from 'node:http';
import { WebSocket, WebSocketServer } from 'ws';
import { z } from 'zod';
import { checkCaller } from './door.js';
import { listenHere } from './listen.js';
import type { StatelyMessage } from './stately-messages.js';

const INSPECTOR = 'https://stately.ai/inspect';
/** A viewer that is this far behind (bytes) is let go: it comes again and sees the newest state. */
const BEHIND = 1 << 26;
const LARGEST = 1 << 22;

const said = z.looseObject({
  type: z.enum(['@xstate.actor', '@xstate.event', '@xstate.snapshot']),
  sessionId: z.string(),
});

/** Framed, since the inspector is told by window messages, only by whoever frames it. */
const PAGE = `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Soliloquy in the Stately inspector</title>
<style>html,body,iframe{width:100%;height:100%;margin:0;border:0;display:block}</style></head>
<body><iframe id="inspector" title="Stately inspector" src="${INSPECTOR}"></iframe><script src="/bridge.js"></script></body></html>`;

const BRIDGE = `const frame = document.getElementById('inspector');
const origin = new URL(frame.src).origin;
let waiting = [];
addEventListener('message', ({ data, source }) => {
  if (source !== frame.contentWindow || data?.type !== '@statelyai.connected' || waiting === null) return;
  for (const one of waiting) frame.contentWindow.postMessage(one, origin);
  waiting = null;
});
const connect = () => {
  const socket = new WebSocket('ws://' + location.host);
  socket.onmessage = ({ data }) => {
    const one = JSON.parse(data);
    if (waiting) waiting.push(one);
    else frame.contentWindow.postMessage(one, origin);
  };
  socket.onclose = () => setTimeout(connect, 1000);
};
connect();
`;

const POLICY = `default-src 'none'; script-src 'self'; style-src 'unsafe-inline'; connect-src 'self' ws:; frame-src ${new URL(INSPECTOR).origin}; frame-ancestors 'none'`;

/** Every actor's definition with its newest snapshot, in the order in which they came. */
function createMemory() {
  const actors = new Map<string, Record<string, unknown>>();
  return {
    keep(message: z.output<typeof said>) {
      const known = actors.get(message.sessionId);
      if (message.type === '@xstate.actor') actors.set(message.sessionId, message);
      if (message.type === '@xstate.snapshot' && known)
        actors.set(message.sessionId, { ...known, snapshot: message.snapshot });
    },
    all: () => actors.values(),
    size: () => actors.size,
  };
}

export interface StatelyRelay {
  readonly port: number;
  /** The page to open. */
  readonly url: string;
  send(message: StatelyMessage): void;
  readonly actors: number;
  close(): Promise<void>;
}

function isWelcome(request: IncomingMessage): boolean {
  try {
    checkCaller(request);
    return true;
  } catch {
    return false;
  }
}

/** `port` 0: any that is free. */
export async function startRelay(port: number): Promise<StatelyRelay> {
  const memory = createMemory();
  const server = createServer((request, response) => {
    if (!isWelcome(request)) return void response.writeHead(403).end('this relay is for this machine only\n');
    const isScript = request.url === '/bridge.js';
    response.writeHead(200, {
      'content-type': isScript ? 'text/javascript; charset=utf-8' : 'text/html; charset=utf-8',
      'content-security-policy': POLICY,
    });
    response.end(isScript ? BRIDGE : PAGE);
  });
  const sockets = new WebSocketServer({
    server,
    maxPayload: LARGEST,
    verifyClient: ({ req }: { readonly req: IncomingMessage }) => isWelcome(req),
  });
  const tell = (text: string, but?: WebSocket): void => {
    for (const client of sockets.clients) {
      if (client === but || client.readyState !== WebSocket.OPEN) continue;
      if (client.bufferedAmount > BEHIND) client.terminate();
      else client.send(text);
    }
  };
  sockets.on('connection', (socket) => {
    for (const actor of memory.all()) socket.send(JSON.stringify(actor));
    // Another program of this machine may show its machines here as well.
    socket.on('message', (data) => {
      const text = String(data);
      try {
        memory.keep(said.parse(JSON.parse(text)));
      } catch {
        return;
      }
      tell(text, socket);
    });
    socket.on('error', () => socket.terminate());
  });
  const at = await listenHere(server, port, '--stately-port');
  return {
    port: at,
    url: `http://127.0.0.1:${at}/`,
    send(message) {
      memory.keep(message);
      tell(JSON.stringify(message));
    },
    get actors() {
      return memory.size();
    },
    close: () =>
      new Promise((resolve) => {
        for (const client of sockets.clients) client.terminate();
        sockets.close();
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
