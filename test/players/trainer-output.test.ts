import { describe, expect, it } from 'vitest';
import { createStepReader } from '../../src/players/trainer-output.js';

const read = (...lines: string[]) => {
  const reader = createStepReader();
  return lines.map(reader).filter((step) => step !== null);
};

describe('a line of a trainer', () => {
  it('in JSON is a step where it says a loss', () => {
    expect(
      read(
        '{"step": 3, "steps": 20, "loss": 0.5, "learningRate": 1e-5, "gradNorm": 2, "accuracy": 0.75, "margin": -0.1}',
      ),
    ).toEqual([
      { step: 3, steps: 20, loss: 0.5, learningRate: 1e-5, gradNorm: 2, accuracy: 0.75, margin: -0.1 },
    ]);
  });

  it('may be of a trainer_state.json', () => {
    expect(read('{"epoch": 0.1, "grad_norm": 1.5, "learning_rate": 0.01, "loss": 0.7, "step": 1}')).toEqual([
      { step: 1, steps: 1, loss: 0.7, learningRate: 0.01, gradNorm: 1.5 },
    ]);
  });

  it('as transformers prints it takes its step from the progress bar before it', () => {
    // transformers 5 prints numbers as texts.
    const line = (loss: string) =>
      `{'loss': '${loss}', 'grad_norm': '0.9', 'learning_rate': '8e-05', 'rewards/accuracies': '1', 'rewards/margins': '0.008', 'epoch': '1'}`;
    expect(
      read(
        'Tokenizing train dataset: 100%|██████████| 70/70 [00:00<00:00, 4000.00 examples/s]',
        ' 20%|██        | 2/10 [00:00<00:01,  5.00it/s]',
        line('0.69'),
        ' 40%|████      | 4/10 [00:00<00:01,  5.00it/s]',
        line('0.68'),
      ),
    ).toEqual([
      { step: 2, steps: 10, loss: 0.69, learningRate: 8e-5, gradNorm: 0.9, accuracy: 1, margin: 0.008 },
      { step: 4, steps: 10, loss: 0.68, learningRate: 8e-5, gradNorm: 0.9, accuracy: 1, margin: 0.008 },
    ]);
  });

  it('without a step anywhere is counted', () => {
    expect(read("{'loss': 0.7}", "{'loss': 0.6}").map(({ step, steps }) => [step, steps])).toEqual([
      [1, 1],
      [2, 2],
    ]);
  });

  it.each([
    "{'train_runtime': 3.1, 'train_loss': 0.69}",
    "{'eval_loss': 0.5, 'epoch': 1}",
    "{'loss': nan}",
    '{"loss": "much"}',
    '{"loss": NaN}',
    "{'loss': '1e999'}",
    'loss: 0.5',
    '[0.5]',
    '{',
  ])('that says no loss is none: %s', (line) => {
    expect(read(line)).toEqual([]);
  });
});
