/**
 * When the disk has what the log says. A crash of the process loses nothing that anything has acted on, whatever this says: lines
 * go to the operating system before any job starts. It matters when the machine loses power:
 * `message` loses nothing; `grouped` at most the last WINDOW_MS of messages; `none` what the system had not written yet (tens of
 * seconds on Linux).
 */
export const DURABILITIES = ['message', 'grouped', 'none'] as const;
export type Durability = (typeof DURABILITIES)[number];

export const WINDOW_MS = 250;
