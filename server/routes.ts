import { serveTasks } from './dialects/runware/httpTasks.ts';
import { serveImage } from './http/image.ts';
import { servePage } from './http/page.ts';
import type { Route } from './http/router.ts';
import { serveHealth, serveMetrics } from './http/state.ts';

/** All HTTP routes. Tasks are accepted on any path, because official clients may have any URL. */
export const routes: readonly Route[] = [
  { method: 'GET', path: '/health', serve: serveHealth },
  { method: 'GET', path: '/metrics', serve: serveMetrics },
  { method: 'GET', path: '/images/*', serve: serveImage },
  { method: 'GET', path: '/*', serve: servePage },
  { method: 'POST', path: '/*', serve: serveTasks },
];
