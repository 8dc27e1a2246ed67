/** The compiled engine under the contract of every engine. */
import { createOnnxEngine } from '../../../src/lm/onnx/engine.js';
import { engineContract } from '../../contracts/engine.js';

engineContract({ name: 'onnx', make: () => createOnnxEngine(), exact: false });
engineContract({
  name: 'onnx, weights fed to the decode graph',
  make: () => createOnnxEngine({ mostInside: 0 }),
  exact: false,
});
