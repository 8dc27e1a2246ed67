/** A server's door on this machine alone. */
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { SoliloquyError } from '../protocol/errors.js';

/** Gives the port; 0 asks for any that is free. `flag`: how another is named. */
export async function listenHere(server: Server, port: number, flag: string): Promise<number> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', (cause: NodeJS.ErrnoException) =>
      reject(
        cause.code === 'EADDRINUSE'
          ? new SoliloquyError('usage', `port ${port} is taken`, {
              port,
              fix: `name another with ${flag}, or 0`,
            })
          : cause,
      ),
    );
    server.listen(port, '127.0.0.1', resolve);
  });
  return (server.address() as AddressInfo).port;
}
