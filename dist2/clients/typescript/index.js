/** The TypeScript client of Latentwire: one file of a browser's module graph or of Node's, without a bundler. */
export { connect } from './client.js';
export { LatentwireError } from './errors.js';
//# sourceMappingURL=index.js.map
