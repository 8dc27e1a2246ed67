import { Command } from 'commander';
export const machinesCommand = (): Command => new Command('machines');
