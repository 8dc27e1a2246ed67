import { describe, expect, it } from 'vitest';
import { architectureOf, configOf, tokenIdsOf } from '../../src/lm/llama-config.js';

const base = {
  model_type: 'llama',
  vocab_size: 64,
  hidden_size: 24,
  intermediate_size: 40,
  num_hidden_layers: 2,
  num_attention_heads: 4,
  max_position_embeddings: 128,
};
const llama3 = { factor: 8, low_freq_factor: 1, high_freq_factor: 4, original_max_position_embeddings: 64 };
const of = (more: object) => architectureOf('config.json', { ...base, ...more });

describe('llama config', () => {
  it('what config.json leaves out has the values of transformers', () => {
    expect(of({})).toEqual({
      family: 'llama',
      vocabSize: 64,
      hiddenSize: 24,
      intermediateSize: 40,
      layers: 2,
      heads: 4,
      kvHeads: 4,
      headDim: 6,
      rmsNormEps: 1e-6,
      ropeTheta: 10000,
      ropeScaling: null,
      maxPositions: 128,
      tiedHead: false,
      attentionBias: false,
      mlpBias: false,
    });
  });

  it('the old and the new spelling of RoPE mean the same', () => {
    const old = of({ rope_theta: 5000, rope_scaling: { rope_type: 'llama3', ...llama3 } });
    expect(of({ rope_parameters: { rope_theta: 5000, rope_type: 'llama3', ...llama3 } })).toEqual(old);
    expect(old.ropeTheta).toBe(5000);
    expect(old.ropeScaling).toEqual({
      kind: 'llama3',
      factor: 8,
      lowFreqFactor: 1,
      highFreqFactor: 4,
      originalMaxPositions: 64,
    });
    const linear = of({ rope_theta: 7, rope_scaling: { type: 'linear', factor: 4 } });
    expect(of({ rope_parameters: { rope_theta: 7, rope_type: 'linear', factor: 4 } })).toEqual(linear);
    expect(linear.ropeScaling).toEqual({ kind: 'linear', factor: 4 });
  });

  it('without its own field, the length before scaling is max_position_embeddings', () => {
    const { original_max_position_embeddings: _, ...rest } = llama3;
    expect(of({ rope_scaling: { rope_type: 'llama3', ...rest } }).ropeScaling).toMatchObject({
      originalMaxPositions: 128,
    });
  });

  it('a config that is written means what was meant', () => {
    for (const more of [
      {},
      { rope_theta: 5000, rope_scaling: { rope_type: 'llama3', ...llama3 }, num_key_value_heads: 2 },
      {
        rope_scaling: { type: 'linear', factor: 2 },
        attention_bias: true,
        mlp_bias: true,
        tie_word_embeddings: true,
        head_dim: 16,
      },
    ]) {
      const architecture = of(more);
      expect(architectureOf('again', configOf(architecture))).toEqual(architecture);
    }
  });

  it.each<[string, object]>([
    ['another model', { model_type: 'gpt2' }],
    ['another head', { architectures: ['LlamaForSequenceClassification'] }],
    ['another activation', { hidden_act: 'gelu' }],
    ['quantised weights', { quantization_config: { bits: 4 } }],
    ['dynamic RoPE', { rope_scaling: { type: 'dynamic', factor: 2 } }],
    ['yarn', { rope_parameters: { rope_type: 'yarn', factor: 2 } }],
    ['RoPE by layer', { rope_parameters: { full_attention: { rope_type: 'default' } } }],
    ['RoPE on a part of the head', { partial_rotary_factor: 0.5 }],
  ])('%s is unsupported, never guessed', (_, more) => {
    expect(() => of(more)).toThrow(expect.objectContaining({ code: 'checkpoint.unsupported' }));
  });

  it.each<[string, object]>([
    ['no layers', { num_hidden_layers: 0 }],
    ['a size that is text', { hidden_size: '24' }],
    ['heads that do not divide', { num_attention_heads: 5 }],
    ['key-value heads that do not divide', { num_key_value_heads: 3 }],
    ['a head with an odd number of dimensions', { head_dim: 5 }],
    ['llama3 without its factors', { rope_scaling: { rope_type: 'llama3', factor: 8 } }],
    ['linear without a factor', { rope_scaling: { rope_type: 'linear' } }],
    ['a size beyond all sense', { vocab_size: 2 ** 40 }],
  ])('%s is invalid', (_, more) => {
    expect(() => of(more)).toThrow(expect.objectContaining({ code: 'checkpoint.invalid' }));
  });

  it('generation_config.json decides on the ends of a text, config.json where it is silent', () => {
    expect(tokenIdsOf('f', { eos_token_id: [2, 7] }, { bos_token_id: 1, eos_token_id: 5 })).toEqual({
      bosId: 1,
      eosIds: [2, 7],
    });
    expect(tokenIdsOf('f', null, { eos_token_id: 5 })).toEqual({ bosId: undefined, eosIds: [5] });
    expect(tokenIdsOf('f', null, {})).toEqual({ bosId: undefined, eosIds: [] });
  });
});
