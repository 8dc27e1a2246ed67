/**
 * Owns: the elements of one big JSON list as texts, fed piece by piece. It finds where elements end; whether each is JSON is
 * the parser's matter. Holds one element at a time.
 */
import { MAX_LINE } from '../worlds/open-assistant/lines.js';

const [QUOTE, BACKSLASH, COMMA] = [0x22, 0x5c, 0x2c];
const [OPEN_LIST, CLOSE_LIST, OPEN_OBJECT, CLOSE_OBJECT] = [0x5b, 0x5d, 0x7b, 0x7d];

export type Element = { readonly text: string } | { readonly fault: string };

export class ListSplitter {
  private depth = 0;
  private inString = false;
  private escaped = false;
  private pieces: string[] = [];
  private length = 0;
  private closed = false;
  /** Nothing more can be told apart: an element without an end, or text after the list. */
  private broken = false;

  *push(chunk: string): Generator<Element> {
    if (this.broken) return;
    let start = 0;
    for (let i = 0; i < chunk.length; i++) {
      const code = chunk.charCodeAt(i);
      if (this.inString) {
        this.stringChar(code);
        continue;
      }
      const before = this.depth;
      this.nest(code);
      if (before === 0 && this.depth === 1 && !this.closed) start = i + 1;
      const ends = before === 1 && (code === COMMA || code === CLOSE_LIST || code === CLOSE_OBJECT);
      if (!ends) continue;
      this.keep(chunk.slice(start, i));
      start = i + 1;
      yield* this.take(code === COMMA);
      if (this.depth === 0) this.closed = true;
    }
    this.keep(chunk.slice(start));
    if (this.length > MAX_LINE) {
      this.broken = true;
      this.pieces = [];
      yield { fault: `longer than ${MAX_LINE} characters` };
    }
  }

  /** What is wrong with how the list ended. */
  *end(): Generator<Element> {
    if (this.broken) return;
    const rest = this.pieces.join('').trim();
    if (!this.closed) yield { fault: 'the file ends before its list does' };
    else if (rest !== '') yield { fault: 'there is text after the list' };
  }

  private stringChar(code: number): void {
    if (this.escaped) this.escaped = false;
    else if (code === BACKSLASH) this.escaped = true;
    else if (code === QUOTE) this.inString = false;
  }

  private nest(code: number): void {
    if (code === QUOTE) this.inString = true;
    else if (code === OPEN_LIST || code === OPEN_OBJECT) this.depth++;
    else if (code === CLOSE_LIST || code === CLOSE_OBJECT) this.depth--;
  }

  private keep(text: string): void {
    if (text === '') return;
    this.pieces.push(text);
    this.length += text.length;
  }

  /** The element that just ended. An empty one is only right in `[]`. */
  private *take(comma: boolean): Generator<Element> {
    const text = this.pieces.join('').trim();
    [this.pieces, this.length] = [[], 0];
    if (text !== '') yield { text };
    else if (comma) yield { fault: 'is empty' };
  }
}
