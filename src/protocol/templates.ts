/**
 * Owns: the texts that ship as data, beside those of the microworld: two judge prompts (§2.2 and the ablation of
 * Table 2, in our own words), prompt formats for models without and with a chat template, keywords that mark prompts a text
 * model can't answer. Rendering and reading stand in src/stages/.
 */
import type { JudgeTemplate, MetaJudgeTemplate, PromptFormat } from './records.js';

/** The paper's additive 5-point scale (figure 2). */
export const additive: JudgeTemplate = {
  name: 'additive',
  prompt: `Read a user's instruction and the response an AI assistant gave to it, then grade the response out of 5. The points add up: begin at 0 and give one more point for each of these steps that the response reaches.
- 1 point: it has to do with the instruction and tells the user something of use, even if it is incomplete or strays.
- 2 points: it deals with a substantial part of what was asked, though it leaves the matter unresolved.
- 3 points: it answers the basic elements of the instruction in a useful way, whoever or whatever seems to have written it.
- 4 points: it is plainly written from an AI assistant's point of view; it is direct, comprehensive and well organised, with at most small room for improvement.
- 5 points: it is impeccably tailored to this instruction, shows expert knowledge and holds nothing extraneous.

<instruction>
{{prompt}}
</instruction>
<response>
{{response}}
</response>

First justify the total in at most 100 words. Then end with this line and nothing after it:
Score: <total points>

Assessment:
`,
  verdict: { marker: 'Score:', min: 0, max: 5 },
  target: '{{justification}}\nScore: {{score}}',
};

/** The ablation: one grade is picked from a list. Graded 0–5 as the additive one, so that both share EFT and scale. */
export const multipleChoice: JudgeTemplate = {
  name: 'multiple-choice',
  prompt: `Below are a user's instruction and a response written by an AI assistant. Which one of these grades describes the response best?
0: it has nothing to do with the instruction.
1: it is incomplete, vague, off the topic or not what was asked for.
2: it covers most of what was asked, but does not resolve the user's question directly.
3: it is helpful, but is not written from an AI assistant's point of view.
4: it is helpful and written as an AI assistant would, with small room for improvement.
5: it is a perfect answer by an AI assistant, with a clear focus and expert content.

<instruction>
{{prompt}}
</instruction>
<response>
{{response}}
</response>

Give your reasons in at most 100 words. Then end with this line and nothing after it:
Score: <the number of the grade>

Assessment:
`,
  verdict: { marker: 'Score:', min: 0, max: 5 },
  target: '{{justification}}\nScore: {{score}}',
};

/** Which of two judgements is right about a response (Meta-Rewarding, §2.3). */
export const comparative: MetaJudgeTemplate = {
  prompt: `Below are a user's instruction, the response an AI assistant gave to it, and two judgements of that response. Both judges were to grade it out of 5, one point for each step that it reaches: it is relevant; it deals with a substantial part; it answers the basic elements usefully; it is written from an AI assistant's point of view; it is impeccably tailored. Say which judgement grades the response more accurately and gives the better reasons. Neither their order nor their length should count.

<instruction>
{{prompt}}
</instruction>
<response>
{{response}}
</response>
<judgement A>
{{first}}
</judgement A>
<judgement B>
{{second}}
</judgement B>

First compare them in at most 100 words. Then end with this line and nothing after it:
Winner: <judgement A or judgement B>

Comparison:
`,
  verdict: { marker: 'Winner:', words: { 'judgement A': 1, 'judgement B': 2 }, min: 1, max: 2 },
};

/**
 * For a model without a chat template. A stop text that is no token of the model ends nothing: then a prompt is cut at
 * its first line by cleaning, and a response ends at the model's own EOS.
 */
export const plainFormat: PromptFormat = {
  chat: 'Instruction: {{prompt}}\n\nResponse:\n',
  invent: {
    header: 'A list of varied instructions that people give to an AI assistant.\n\n',
    item: 'Instruction: {{prompt}}\n',
    tail: 'Instruction:',
  },
  stop: { response: [], judgement: [], prompt: ['\n', 'Ċ', '<0x0A>'] },
};

/**
 * For models with a chat template: each prompt is one user's message, and the template's own tokens end an answer. An invented
 * prompt is the answer to a request for one; cleaning takes its first line.
 */
export const chatFormat: PromptFormat = {
  through: 'chat',
  chat: '{{prompt}}',
  invent: {
    header: 'Here are some instructions that people gave to an AI assistant, one a line:\n\n',
    item: '- {{prompt}}\n',
    tail: '\nWrite one more instruction of this kind that differs from all of these. Answer with the instruction alone, on one line.',
  },
  stop: { response: [], judgement: [], prompt: [] },
};

/** Words of prompts that text alone can't serve (after Self-Instruct, which the paper's filter follows). */
export const inventionKeywords: readonly string[] = [
  'image',
  'images',
  'picture',
  'pictures',
  'photo',
  'video',
  'audio',
  'music',
  'draw',
  'plot',
  'graph',
  'graphs',
  'diagram',
  'flowchart',
  'map',
  'file',
  'files',
  'go to',
];

/** Judge templates that fit any world, by name. */
export const builtInTemplates: Readonly<Record<string, JudgeTemplate>> = {
  [additive.name]: additive,
  [multipleChoice.name]: multipleChoice,
};
