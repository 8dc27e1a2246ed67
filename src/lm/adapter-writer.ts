/**
 * A version that an adapter made → a folder in PEFT's layout: adapter_config.json, adapter_model.safetensors, the tokenizer's
 * files. PEFT loads it onto its base. The weights come last: a folder that has them is complete.
 */
import { ADAPTER_CONFIG, ADAPTER_MODEL, keysOf } from './adapter-folder.js';
import type { Checkpoint } from './checkpoint.js';
import { json, makeFolder, tokenizerTexts, writeWhole } from './checkpoint-writer.js';
import { type Adapter, adapterModules, targetsOf } from './lora.js';
import { writeSafetensors } from './safetensors.js';

/** `base`: the folder of the weights it stands on, as PEFT's config names it. */
export async function writeAdapter(
  dir: string,
  base: string,
  { weights, tokenizer }: Checkpoint,
  { lora, data }: Adapter,
): Promise<void> {
  const { architecture } = weights;
  await makeFolder(dir);
  const config = {
    peft_type: 'LORA',
    task_type: 'CAUSAL_LM',
    base_model_name_or_path: base,
    inference_mode: true,
    r: lora.rank,
    lora_alpha: lora.alpha,
    lora_dropout: lora.dropout,
    target_modules: targetsOf(architecture, lora.targets),
    fan_in_fan_out: architecture.family === 'gpt2',
    bias: 'none',
    use_rslora: false,
    use_dora: false,
    init_lora_weights: true,
    modules_to_save: null,
    rank_pattern: {},
    alpha_pattern: {},
  };
  const texts: readonly (readonly [string, string])[] = [
    [ADAPTER_CONFIG, json(config)],
    ...tokenizerTexts(tokenizer),
  ];
  for (const [name, text] of texts) await writeWhole(dir, name, (handle) => handle.writeFile(text));
  const tensors = adapterModules(architecture, lora).flatMap(
    ({ name, inSize, outSize, aOffset, bOffset }) => {
      const keys = keysOf(name);
      return [
        { name: keys.a, shape: [lora.rank, inSize], data: data.subarray(aOffset, bOffset) },
        {
          name: keys.b,
          shape: [outSize, lora.rank],
          data: data.subarray(bOffset, bOffset + outSize * lora.rank),
        },
      ];
    },
  );
  await writeWhole(dir, ADAPTER_MODEL, (handle) => writeSafetensors(handle, tensors));
}
