import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { errors, parameterCode, rowOf, TaskError, toErrorFrame, toHttpFailure } from '../../protocol/errors.ts';

const taskUUID = 'cd50ac46-3dc3-4d0d-bbb5-b4ae844c9144';

describe('the error table', () => {
  it('has the rows of PROTOCOL.md, in its order and with its statuses', () => {
    const document = readFileSync(new URL('../../protocol/PROTOCOL.md', import.meta.url), 'utf8');
    const section = document.split(/^## /m).find((part) => part.startsWith('Errors\n'));
    const rows = [...(section ?? '').matchAll(/^\| `(\w+)` \| (\d{3}) \| .+ \|$/gm)];
    expect(rows.map(([, code, status]) => [code, Number(status)])).toEqual(
      Object.entries(errors).map(([code, { status }]) => [code, status]),
    );
  });

  it('gives members of the two families the row of their family', () => {
    expect(rowOf(parameterCode('invalid', 'width'))).toBe(errors.invalidParameter);
    expect(rowOf('missingPositivePrompt')).toBe(errors.missingParameter);
    expect(rowOf('invalidApiKey').status).toBe(401);
  });

  it('names a code after the outermost key of the parameter', () => {
    expect(parameterCode('invalid', 'CFGScale')).toBe('invalidCFGScale');
    expect(parameterCode('missing', 'taskUUID')).toBe('missingTaskUUID');
    expect(parameterCode('invalid', 'previews.every')).toBe('invalidPreviews');
    expect(parameterCode('invalid', 'lora[0].weight')).toBe('invalidLora');
    expect(parameterCode('invalid', 'lora[0]')).toBe('invalidLora');
  });

  it('does not find rows in the prototype of the table', () => {
    expect(rowOf('invalidConstructor')).toBe(errors.invalidParameter);
  });
});

describe('TaskError', () => {
  it('is written without its cause and without fields that say nothing', () => {
    const error = new TaskError('invalidWidth', {
      parameter: 'width',
      min: 128,
      max: undefined,
      cause: new Error('x'),
    });
    expect(error.toWire()).toEqual({
      code: 'invalidWidth',
      message: errors.invalidParameter.message,
      parameter: 'width',
      min: 128,
    });
    expect(error.cause).toBeInstanceOf(Error);
  });

  it('takes the task it ends without losing what it says', () => {
    const error = new TaskError('modelNotFound', { message: 'No such model.', parameter: 'model' });
    expect(error.of({ taskUUID, taskType: 'imageInference' }).toWire()).toEqual({
      code: 'modelNotFound',
      message: 'No such model.',
      parameter: 'model',
      taskUUID,
      taskType: 'imageInference',
    });
    expect(error.of({ taskUUID }).of({ taskUUID: 'another' }).taskUUID).toBe(taskUUID);
  });
});

describe('a frame of errors', () => {
  it('carries one error, in the plural only', () => {
    const frame = toErrorFrame(new TaskError('inferenceError', { taskUUID, taskType: 'imageInference' }));
    expect(Object.keys(frame)).toEqual(['errors']);
    expect(frame.errors).toHaveLength(1);
  });

  it('says a refused authentication twice and without a taskUUID', () => {
    const frame = toErrorFrame(new TaskError('invalidApiKey', { taskUUID, taskType: 'authentication' }));
    expect(frame.error).toEqual(frame.errors[0]);
    expect(frame.errors[0]).toMatchObject({ code: 'invalidApiKey', taskType: 'authentication' });
    expect(frame.errors[0]).not.toHaveProperty('taskUUID');
  });
});

describe('an HTTP failure', () => {
  it('has the status of its first error and both spellings', () => {
    const { status, body } = toHttpFailure([new TaskError('modelNotFound'), new TaskError('inferenceError')]);
    expect(status).toBe(404);
    expect(body.errors.map(({ code }) => code)).toEqual(['modelNotFound', 'inferenceError']);
    expect(body.error.code).toBe('modelNotFound');
    expect(body).not.toHaveProperty('data');
  });

  it('keeps the results of other tasks', () => {
    expect(toHttpFailure(new TaskError('inferenceError'), [1]).body.data).toEqual([1]);
    expect(toHttpFailure(new TaskError('inferenceError'), []).body).not.toHaveProperty('data');
  });
});
