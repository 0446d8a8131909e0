/** Image references: the four ways a task may name an image. */
import * as z from 'zod';
/** An image that a task names; the server turns it into pixels. */
export type ImageReference =
  /** An uploaded or generated image. */
  | {
      kind: 'uuid';
      uuid: string;
    }
  | {
      kind: 'url';
      url: string;
    }
  /** Encoded bytes; the declared type, where there is one, is a claim to check against the bytes. */
  | {
      kind: 'base64';
      data: string;
      declaredType?: string;
    };
/** A text that names no image. */
export interface NoImageReference {
  kind: 'none';
  /** What is wrong with it, as a sentence without its subject; absent for what looks like none of the forms. */
  reason?: string;
}
/** Tells the four forms apart, in Runware's order. */
export declare function parseImageReference(text: string): ImageReference | NoImageReference;
/** A required image. */
export declare function image(): z.ZodPipe<
  z.ZodString,
  z.ZodTransform<
    | {
        kind: 'uuid';
        uuid: string;
      }
    | {
        kind: 'url';
        url: string;
      }
    | {
        kind: 'base64';
        data: string;
        declaredType?: string;
      },
    string
  >
>;
/** An image that may be left out. */
export declare function optionalImage(): z.ZodOptional<
  z.ZodPipe<
    z.ZodString,
    z.ZodTransform<
      | {
          kind: 'uuid';
          uuid: string;
        }
      | {
          kind: 'url';
          url: string;
        }
      | {
          kind: 'base64';
          data: string;
          declaredType?: string;
        },
      string
    >
  >
>;
