import { describe, expect, it } from 'vitest';
import { architectureOf, configOf, tokenIdsOf } from '../../src/lm/model-config.js';

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
    ['another model', { model_type: 'gemma3' }],
    ['another head', { architectures: ['LlamaForSequenceClassification'] }],
    ['another activation', { hidden_act: 'gelu' }],
    ['quantised weights', { quantization_config: { bits: 4 } }],
    [
      'another class of the family',
      { model_type: 'qwen3', architectures: ['Qwen3ForSequenceClassification'] },
    ],
    ['longrope', { rope_parameters: { rope_type: 'longrope', factor: 2 } }],
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

  it('dynamic RoPE and yarn are read, and what yarn leaves out is worked out as transformers does', () => {
    expect(of({ rope_scaling: { type: 'dynamic', factor: 2 } }).ropeScaling).toEqual({
      kind: 'dynamic',
      factor: 2,
    });
    const yarn = { rope_type: 'yarn', factor: 4, original_max_position_embeddings: 32 };
    expect(of({ rope_parameters: yarn }).ropeScaling).toEqual({
      kind: 'yarn',
      factor: 4,
      originalMaxPositions: 32,
      betaFast: 32,
      betaSlow: 1,
      truncate: true,
      attentionFactor: 0.1 * Math.log(4) + 1,
    });
    const both = { ...yarn, mscale: 1, mscale_all_dim: 1 };
    expect(of({ rope_parameters: both }).ropeScaling).toMatchObject({ attentionFactor: 1 });
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

describe('configs of other families', () => {
  const family = (model_type: string, more: object = {}) => of({ model_type, ...more });

  it('mistral: no biases; a window that hides nothing is no window', () => {
    const said = { sliding_window: null, num_key_value_heads: 2, attention_bias: true };
    expect(family('mistral', said)).toEqual({ ...of({ num_key_value_heads: 2 }), family: 'mistral' });
    expect(family('mistral', { ...said, sliding_window: 128 })).toEqual(family('mistral', said));
  });

  it.each<[string, number, object]>([
    ['mistral', 127, { sliding_window: 127, num_key_value_heads: 2 }],
    ['mistral', 4096, { max_position_embeddings: 8192, num_key_value_heads: 2 }], // the class's default
    [
      'qwen2',
      64,
      { use_sliding_window: true, sliding_window: 64, max_window_layers: 1, num_key_value_heads: 2 },
    ],
    [
      'qwen3',
      64,
      {
        use_sliding_window: true,
        sliding_window: 64,
        layer_types: ['full_attention', 'sliding_attention'],
        num_key_value_heads: 2,
      },
    ],
  ])(
    '%s with a window smaller than its context takes sequences of up to %i, of which it hides nothing',
    (name, most, more) => {
      const whole = family(name, { ...more, sliding_window: null, use_sliding_window: false });
      expect(family(name, more)).toEqual({ ...whole, maxPositions: most });
    },
  );

  it('qwen2: a window that no layer uses is none; queries, keys and values have biases, the output none', () => {
    const { attentionBias } = family('qwen2', {
      num_key_value_heads: 2,
      sliding_window: 64,
      use_sliding_window: false,
    });
    expect(attentionBias).toBe('qkv');
  });

  it('qwen3: heads are 128 wide unless the config says otherwise', () => {
    expect(family('qwen3', { num_key_value_heads: 2 }).headDim).toBe(128);
    expect(family('qwen3', { num_key_value_heads: 2, head_dim: 6 }).headDim).toBe(6);
  });

  const gpt2 = (more: object = {}) => architectureOf('config.json', { model_type: 'gpt2', ...more });

  it('gpt2: what config.json leaves out has the values of transformers; GELU by its names', () => {
    expect(gpt2()).toMatchObject({ vocabSize: 50257, hiddenSize: 768, intermediateSize: 3072, heads: 12 });
    expect(gpt2()).toMatchObject({ maxPositions: 1024, tiedHead: true, activation: 'gelu-tanh' });
    expect(gpt2({ activation_function: 'gelu_pytorch_tanh' }).activation).toBe('gelu-tanh');
    expect(gpt2({ activation_function: 'gelu' }).activation).toBe('gelu');
  });

  it.each([
    ['activation_function', 'relu'],
    ['scale_attn_weights', false],
    ['scale_attn_by_inverse_layer_idx', true],
    ['add_cross_attention', true],
  ])('gpt2 with %s %s is refused by the name of the field', (field, value) => {
    expect(() => gpt2({ [field]: value })).toThrow(
      expect.objectContaining({
        code: 'checkpoint.unsupported',
        message: expect.stringContaining(field),
      }),
    );
  });

  it('a config that is written means what was meant, in every family', () => {
    const yarn = { rope_type: 'yarn', factor: 4, original_max_position_embeddings: 32, beta_fast: 8 };
    for (const architecture of [
      family('mistral', { sliding_window: null, num_key_value_heads: 2, head_dim: 16 }),
      family('qwen2', { num_key_value_heads: 4, rope_theta: 1e6, tie_word_embeddings: true }),
      family('qwen2', { num_key_value_heads: 4, rope_scaling: yarn }),
      family('qwen3', { num_key_value_heads: 2, attention_bias: true }),
      of({ rope_scaling: { rope_type: 'dynamic', factor: 2 } }),
      gpt2(),
      gpt2({ activation_function: 'gelu', n_inner: 40, tie_word_embeddings: false }),
    ])
      expect(architectureOf('again', configOf(architecture))).toEqual(architecture);
  });
});
