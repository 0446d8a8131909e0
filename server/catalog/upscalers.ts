import { emptyDescription, LANCZOS } from '../../runtime/index.ts';
import type { Catalog, CatalogEntry } from './catalog.ts';
import { isNamed } from './catalog.ts';

/** Interpolation: an upscaler without a file. */
export const interpolation: CatalogEntry = {
  air: 'local:lanczos@1',
  ids: ['local:lanczos@1', 'lanczos'],
  path: LANCZOS,
  kind: 'upscaler',
  model: {
    ...emptyDescription(LANCZOS),
    ...{ kind: 'upscaler', name: 'Lanczos', className: 'Lanczos', available: true, precision: 'uint8' },
    description: 'Interpolation without a network.',
  },
};

/**
 * The upscaler of a task; by default the first one of the catalog, or interpolation. Throws as `Catalog.find`.
 */
export async function findUpscaler(name: string | undefined, catalog: Catalog): Promise<CatalogEntry> {
  if (name === undefined) {
    const entries = await catalog.list();
    return entries.find(({ kind, model }) => kind === 'upscaler' && model.available) ?? interpolation;
  }
  // The name of a file comes first.
  const entries = await catalog.list();
  if (isNamed(interpolation.ids, name) && !entries.some(({ ids }) => isNamed(ids, name))) return interpolation;
  return await catalog.find(name, 'upscaler', 'model', [interpolation.air]);
}
