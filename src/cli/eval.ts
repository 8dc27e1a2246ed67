import { Command } from 'commander';
export const evalCommand = (): Command => new Command('eval');
