import { describe, expect, test } from 'vitest';
import { reportOf } from '../../clients/cli/doctor.ts';
import { PlacementReader } from '../../runtime/process/examination.ts';
import { run } from '../helpers/cli.ts';

describe('latentwire doctor', () => {
  test('tells what computes, why, and where the nodes of the embedded model run', async () => {
    const { code, stdout, stderr } = await run('doctor', '--device', 'cpu', '--json');
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const [found, ...more] = JSON.parse(stdout);
    expect(more).toEqual([]);
    expect(found).toMatchObject({
      device: 'cpu',
      model: 'local:pocket@1',
      provider: { name: 'cpu', precision: 'float32', attention: 'fused', widened: [], passedOver: [] },
    });
    const names = found.graphs.map(({ name }: { name: string }) => name);
    expect(names).toEqual(['text_encoder', 'unet', 'vae_encoder', 'vae_decoder']);
    for (const { placements, weightBytes, error } of found.graphs) {
      expect(error).toBeUndefined();
      expect(weightBytes).toBeGreaterThan(1_000_000);
      expect(placements).toEqual([{ provider: 'Cpu', nodes: expect.any(Number), names: [] }]);
      expect(placements[0].nodes).toBeGreaterThan(20);
    }
    expect(found.memoryBytes).toBeGreaterThan(20_000_000);
  });

  test('says why a device, a precision or a model cannot be looked at', async () => {
    const ends = await Promise.all([
      run('doctor', '--device', 'cuda:99'),
      run('doctor', '--precision', 'float8'),
      run('doctor', '--model', 'local:nobody@1'),
    ]);
    expect(ends.map(({ code }) => code)).toEqual([1, 2, 1]);
    expect(ends[0]!.stderr).toMatch(/^latentwire: The provider cuda:99 does not start: .* Available: .*cpu\.$/m);
    expect(ends[1]!.stderr).toContain('float16');
    expect(ends[2]!.stderr).toContain('There is no model "local:nobody@1". latentwire models lists them.');
  });

  test('names the nodes that a GPU leaves to the CPU', () => {
    const reader = new PlacementReader();
    // As onnxruntime 1.30.0 writes it for a graph with an operator that WebGPU lacks.
    const at = '2026-11-28 11:57:12.172 [V:onnxruntime:, session_state.cc:1383 VerifyEachNodeIsAssignedToAnEp]';
    for (const line of [
      'latentwire opens unet',
      `${at} Node placements`,
      `${at}  Node(s) placed on [CPUExecutionProvider]. Number of nodes: 1`,
      `${at}   Det (/det/Det)`,
      `${at}  Node(s) placed on [WebGpuExecutionProvider]. Number of nodes: 2`,
      `${at}   Unsqueeze (/u/Unsqueeze)`,
      `${at}   MemcpyToHost (Memcpy_token_0)`,
      'latentwire opens vae_decoder',
      `${at}  All nodes placed on [WebGpuExecutionProvider]. Number of nodes: 7`,
    ])
      reader.read(line);
    const graphs = ['unet', 'vae_decoder'].map((name) => ({
      name,
      weightBytes: 14_400_000,
      openMs: 12.4,
      placements: reader.placements.get(name)!,
    }));
    const provider = {
      name: 'webgpu',
      reason: 'webgpu is the first accelerator that started.',
      passedOver: [{ name: 'cuda', reason: 'this build of onnxruntime does not contain it' }],
      machine: 'webgpu, onnxruntime 1.30.0',
      precision: 'float16',
      precisionReason: 'float16 gives correct results on webgpu.',
      widened: ['groupNorm'],
      attention: 'plain',
    } as const;
    const examination = {
      provider: { ...provider, passedOver: [...provider.passedOver], widened: ['groupNorm'] },
      graphs,
      memoryBytes: 2e8,
    };
    expect(reportOf('local:pocket@1', examination, undefined).split('\n')).toEqual([
      'Provider   webgpu    webgpu is the first accelerator that started.',
      '           cuda      not used: this build of onnxruntime does not contain it',
      'Machine              webgpu, onnxruntime 1.30.0',
      'Precision  float16   float16 gives correct results on webgpu. Still in float32: groupNorm.',
      'Attention  plain     Plain operators, because the fused one is missing or gives wrong results.',
      'Memory     200.0 MB  of the process with all networks of local:pocket@1 open',
      '',
      'NETWORK      WEIGHTS  OPENED IN  NODES',
      'unet         14.4 MB  12 ms      Cpu 1, WebGpu 2',
      'vae_decoder  14.4 MB  12 ms      WebGpu 7',
      '',
      'ON THE CPU  NODE',
      'unet        Det (/det/Det)',
      '',
    ]);
  });
});
