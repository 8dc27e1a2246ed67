/**
 * Server-sent events of one run: its head, whenever there is something new. The id of an event is the number of messages that
 * the index holds then; a page that was away asks for what it missed by seq, so nothing is lost with a connection.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { OpenRun } from './house.js';
import { headOf } from './reading.js';

/** Events of one page are no closer than this: enough to see a run flow, and little of its time. */
const EVERY_MS = 250;
/** A page hears something at least so often, so that a dead connection is seen. */
const ALIVE_MS = 15_000;

export function streamEvents(run: OpenRun, request: IncomingMessage, response: ServerResponse): void {
  response.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8' });
  response.write('retry: 500\n\n');
  let due: NodeJS.Timeout | undefined;
  let told = '';

  const tell = () => {
    due = undefined;
    const head = headOf(run);
    const moment = run.watched.moment(head.count - 1);
    const text = JSON.stringify({ head, moment });
    if (text === told || !response.writable) return;
    told = text;
    response.write(`id: ${head.count}\nevent: head\ndata: ${text}\n\n`);
  };
  const soon = () => {
    due ??= setTimeout(tell, EVERY_MS);
  };
  const alive = setInterval(() => response.write(': here\n\n'), ALIVE_MS);
  const forget = run.watched.onChange(soon);
  // What the page knows from before it was cut off may be as new as this.
  const known = Number(request.headers['last-event-id'] ?? -1);
  if (known === run.watched.index.count) soon();
  else tell();
  response.on('close', () => {
    forget();
    clearInterval(alive);
    clearTimeout(due);
  });
  response.on('error', () => response.destroy());
}
