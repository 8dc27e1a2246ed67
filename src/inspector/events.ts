/**
 * Server-sent events of one run: its head, whenever there is something new. The id of an event is the number of messages that
 * the index holds then; a page that was away asks for what it missed by seq, so nothing is lost with a connection.
 */
import type { ServerResponse } from 'node:http';
import type { OpenRun } from './house.js';
import { headOf } from './reading.js';

/** Events of one page are no closer than this, the first after a rest comes at once: a step is seen, and a run that flows keeps its time. */
const EVERY_MS = 500;
/** A page hears something at least so often, so that a dead connection is seen. */
const ALIVE_MS = 15_000;

export function streamEvents(run: OpenRun, response: ServerResponse): void {
  response.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8' });
  response.write('retry: 500\n\n');
  let rest: NodeJS.Timeout | undefined;
  let hasNews = false;
  let told = '';

  const tell = () => {
    const head = headOf(run);
    const moment = run.watched.moment(head.count - 1);
    const text = JSON.stringify({ head, moment });
    if (text === told || !response.writable) return;
    told = text;
    response.write(`id: ${head.count}\nevent: head\ndata: ${text}\n\n`);
  };
  const soon = () => {
    hasNews = rest !== undefined;
    if (hasNews) return;
    tell();
    rest = setTimeout(() => {
      rest = undefined;
      if (hasNews) soon();
    }, EVERY_MS);
  };
  const alive = setInterval(() => response.write(': here\n\n'), ALIVE_MS);
  const forget = run.watched.onChange(soon);
  // The head is all there is to say: a page that comes again has missed nothing once it has it.
  soon();
  response.on('close', () => {
    forget();
    clearInterval(alive);
    clearTimeout(rest);
  });
  response.on('error', () => response.destroy());
}
