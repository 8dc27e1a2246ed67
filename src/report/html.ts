/**
 * Owns: text inside HTML and SVG. Whatever comes from a model or a person goes through here, as text and never as markup.
 */

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

/**
 * Controls (an SVG with one is no XML), halves of a pair, unassigned codes (U+FFFF …), and marks that turn the direction of the
 * text around them.
 */
const HIDDEN = /(?![\t\n\r])[\p{Cc}\p{Cs}\p{Cn}\p{Bidi_Control}]/gu;

const visible = (char: string): string => `\\u{${char.codePointAt(0)!.toString(16).padStart(4, '0')}}`;

/** Safe as an element's text and inside a quoted attribute. What would be hidden is shown as `\u{202e}`. */
export const escaped = (text: string): string =>
  text.replace(HIDDEN, visible).replace(/[&<>"']/g, (char) => ENTITIES[char]!);
