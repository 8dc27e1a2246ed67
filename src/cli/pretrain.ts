import { Command } from 'commander';
export const pretrainCommand = (): Command => new Command('pretrain');
