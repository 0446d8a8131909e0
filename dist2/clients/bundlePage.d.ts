/**
 * Part of `npm run build`: makes `dist/page/`, all that the server gives to browsers. The page is one file of HTML, one of CSS
 * and one of JavaScript; `app/` has the modules that pages of other people import. Beside each file lie its compressed forms.
 */
export {};
