/** Hand-made rows of each layout, two or more each. */
const message = (id: string, parent: string | null, role: string, text: string, rank: number | null) => ({
  message_id: id,
  parent_id: parent,
  message_tree_id: 'a',
  text,
  role,
  lang: 'en',
  rank,
});
const node = (id: string, role: string, text: string, rank: number | null, replies: object[] = []) => ({
  message_id: id,
  text,
  role,
  lang: 'en',
  rank,
  replies,
});
const root = (id: string) =>
  node(id, 'prompter', 'Name a cat.', null, [
    node(`${id}1`, 'assistant', 'Rex.', 1),
    node(`${id}0`, 'assistant', 'Tom.', 0, [
      node(`${id}2`, 'prompter', 'Another?', null, [node(`${id}3`, 'assistant', 'Kit.', 0)]),
    ]),
  ]);
const said = (...contents: string[]) =>
  contents.map((content, i) => ({ role: i % 2 === 0 ? 'user' : 'assistant', content }));

export const ROWS: Readonly<Record<string, readonly unknown[]>> = {
  'oa-trees': ['a', 'b'].map((id) => ({
    message_tree_id: id,
    tree_state: 'ready_for_export',
    prompt: root(id),
  })),
  'oa-message-roots': [root('a'), root('b')],
  'oa-messages': [
    message('a', null, 'prompter', 'Name a cat.', null),
    message('a1', 'a', 'assistant', 'Rex.', 1),
    message('a0', 'a', 'assistant', 'Tom.', 0),
    message('a2', 'a0', 'prompter', 'Another?', null),
    message('a3', 'a2', 'assistant', 'Kit.', 0),
    { ...message('b', null, 'prompter', 'Name a dog.', null), message_tree_id: 'b' },
    { ...message('b0', 'b', 'assistant', 'Rex.', 0), message_tree_id: 'b' },
  ],
  'oa-ranked-groups': [
    {
      message_id: 'a',
      context: [{ role: 'prompter', text: 'Name a cat.' }],
      replies: [
        { text: 'Tom.', rank: 0 },
        { text: 'Rex.', rank: 1 },
      ],
    },
  ],
  'hh-rlhf': [
    {
      chosen: '\n\nHuman: Hi\n\nAssistant: Hello.\n\nHuman: Bye\n\nAssistant: So long.',
      rejected: '\n\nHuman: Hi\n\nAssistant: Hello.\n\nHuman: Bye\n\nAssistant: Go.',
    },
  ],
  ultrafeedback: [
    {
      instruction: 'Name a cat.',
      completions: [
        {
          model: 'x',
          response: 'Rex.',
          annotations: { helpfulness: { Rating: '1' }, honesty: { Rating: '2' } },
        },
        {
          model: 'y',
          response: 'Tom.',
          annotations: { helpfulness: { Rating: '5' }, honesty: { Rating: 'N/A' } },
        },
      ],
    },
    {
      prompt: 'Name a dog.',
      completions: [
        { response: 'Rex.', overall_score: 8 },
        { response: 'Tom.', overall_score: 3.5 },
      ],
    },
  ],
  'alpaca-eval-outputs': [
    { dataset: 'helpful_base', instruction: 'Name a cat.', output: 'Tom.', generator: 'm' },
  ],
  'alpaca-eval-annotations': [1, 2, 1.5, 2, 0, null].map((preference) => ({
    instruction: 'Name a cat.',
    output_1: 'Rex.',
    output_2: 'Tom.',
    generator_1: 'ref',
    generator_2: 'm',
    annotator: 'j',
    preference,
  })),
  'mt-bench-questions': [{ question_id: 81, category: 'writing', turns: ['Name a cat.', 'Another?'] }],
  'mt-bench-answers': [
    {
      question_id: 81,
      answer_id: 'q',
      model_id: 'm',
      choices: [{ index: 0, turns: ['Tom.', 'Kit.'] }],
      tstamp: 1,
    },
  ],
  'mt-bench-scores': [
    { question_id: 81, model: 'm', judge: ['g', 'single-v1'], judgment: 'Rating: [[8]]', score: 8, turn: 1 },
  ],
  'mt-bench-pairs': [
    {
      question_id: 81,
      model_1: 'm',
      model_2: 'n',
      g1_winner: 'model_1',
      g2_winner: 'tie',
      judge: ['g', 'pair-v2'],
      turn: 1,
    },
  ],
  llmbar: [{ input: 'Name a cat.', output_1: 'Tom.', output_2: 'Rex.', label: 1 }],
  'llmbar-results': [
    {
      input: 'Name a cat.',
      output_1: 'Tom.',
      output_2: 'Rex.',
      label: 1,
      results: [{ 'swap = False': { winner: '1' }, 'swap = True': { winner: '2' } }],
    },
  ],
  pandalm: [
    {
      idx: 0,
      instruction: 'Name it.',
      input: 'cat',
      response1: 'Tom.',
      response2: true,
      annotator1: 1,
      annotator2: 0,
      annotator3: 1,
    },
  ],
  'pandalm-verdicts': [
    { idx: 0, gpt_result: '1', gpt_reason: '' },
    { idx: 1, gpt_result: 'Tie', gpt_reason: '' },
  ],
  'self-instruct': [{ id: 's', instruction: 'Name it.', instances: [{ input: 'cat', output: 'Tom.' }] }],
  alpaca: [{ instruction: 'Name a cat.', input: '', output: 'Tom.' }],
  sharegpt: [
    {
      id: 'c',
      conversations: [
        { from: 'human', value: 'Hi' },
        { from: 'gpt', value: 'Hello.' },
      ],
    },
  ],
  'trl-preference': [
    { prompt: 'Name a cat.', chosen: 'Tom.', rejected: 'Rex.' },
    { prompt: said('Hi'), chosen: [said('', 'Hello.')[1]], rejected: [said('', 'Go.')[1]] },
    {
      prompt: 'Hi',
      prompt_id: 'u',
      chosen: said('Hi', 'Hello.'),
      rejected: said('Hi', 'Go.'),
      score_chosen: 9,
    },
    { chosen: said('Hi', 'Hello.'), rejected: said('Hi', 'Go.') },
  ],
  'trl-sft': [
    { prompt: 'Name a cat.', completion: 'Tom.' },
    { messages: said('Hi', 'Hello.', 'Bye', 'So long.') },
  ],
  'prompt-response': [{ prompt: 'Name a cat.', response: 'Tom.' }],
  prompts: ['Name a cat.', { prompt: 'Name a dog.' }],
  'instruction-prompts': [{ instruction: 'Name it.', input: 'cat' }],
};
