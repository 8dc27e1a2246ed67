/** Tidying for results that lie on the host. */
import * as tf from '@tensorflow/tfjs-core';

/** Frees every tensor made by `run`. A plain tidy would walk through a returned typed array number by number. */
export function freeing<T>(run: () => T): T {
  const box: { value?: T } = {};
  tf.tidy(() => {
    box.value = run();
  });
  return box.value as T;
}
