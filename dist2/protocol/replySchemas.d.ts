/**
 * Zod schemas of what a server sends, for tests and for those who write another server or client. They are strict: a
 * key that the specification does not name is an error here, while a client ignores it.
 */
import * as z from 'zod';
import { type ErrorCode } from './errors.ts';
/** One item of `events`. */
export declare const eventSchema: z.ZodDiscriminatedUnion<
  [
    z.ZodObject<
      {
        taskType: z.ZodString;
        taskUUID: z.ZodString;
        event: z.ZodLiteral<'queued'>;
        position: z.ZodInt;
      },
      z.core.$strict
    >,
    z.ZodObject<
      {
        taskType: z.ZodString;
        taskUUID: z.ZodString;
        event: z.ZodLiteral<'loading'>;
        component: z.ZodString;
        progress: z.ZodNumber;
      },
      z.core.$strict
    >,
    z.ZodObject<
      {
        taskType: z.ZodString;
        taskUUID: z.ZodString;
        resultIndex: z.ZodInt;
        event: z.ZodLiteral<'started'>;
        steps: z.ZodInt;
      },
      z.core.$strict
    >,
    z.ZodObject<
      {
        taskType: z.ZodString;
        taskUUID: z.ZodString;
        resultIndex: z.ZodInt;
        event: z.ZodLiteral<'stepped'>;
        step: z.ZodInt;
        steps: z.ZodInt;
      },
      z.core.$strict
    >,
    z.ZodObject<
      {
        taskType: z.ZodString;
        taskUUID: z.ZodString;
        resultIndex: z.ZodInt;
        step: z.ZodInt;
        steps: z.ZodInt;
        width: z.ZodInt;
        height: z.ZodInt;
        format: z.ZodEnum<{
          JPG: 'JPG';
          PNG: 'PNG';
          WEBP: 'WEBP';
        }>;
        imageBase64Data: z.ZodOptional<z.ZodBase64>;
        event: z.ZodLiteral<'previewed'>;
      },
      z.core.$strict
    >,
    z.ZodObject<
      {
        taskType: z.ZodString;
        taskUUID: z.ZodString;
        event: z.ZodLiteral<'cancelled'>;
        reason: z.ZodEnum<{
          cancelled: 'cancelled';
          superseded: 'superseded';
        }>;
      },
      z.core.$strict
    >,
  ],
  'event'
>;
/** One item of `errors`. */
export declare const errorSchema: z.ZodObject<
  {
    code: z.ZodCustom<ErrorCode, ErrorCode>;
    message: z.ZodString;
    parameter: z.ZodOptional<z.ZodString>;
    type: z.ZodOptional<z.ZodString>;
    documentation: z.ZodOptional<z.ZodURL>;
    taskUUID: z.ZodOptional<z.ZodString>;
    taskType: z.ZodOptional<z.ZodString>;
    min: z.ZodOptional<z.ZodNumber>;
    max: z.ZodOptional<z.ZodUnion<readonly [z.ZodNumber, z.ZodBigInt]>>;
    default: z.ZodOptional<z.ZodUnion<readonly [z.ZodString, z.ZodNumber, z.ZodBoolean]>>;
    allowedValues: z.ZodOptional<
      z.ZodReadonly<z.ZodArray<z.ZodUnion<readonly [z.ZodString, z.ZodNumber, z.ZodBoolean]>>>
    >;
    retryAfterMs: z.ZodOptional<z.ZodInt>;
  },
  z.core.$strict
>;
/** One item of `data`. */
export declare const resultSchema: z.ZodUnion<
  readonly [
    z.ZodUnion<
      readonly [
        z.ZodObject<
          {
            taskType: z.ZodLiteral<'authentication'>;
            connectionSessionUUID: z.ZodString;
            warnings: z.ZodOptional<
              z.ZodArray<
                z.ZodObject<
                  {
                    code: z.ZodEnum<{
                      ignoredParameter: 'ignoredParameter';
                      unknownParameter: 'unknownParameter';
                    }>;
                    message: z.ZodString;
                    parameter: z.ZodString;
                  },
                  z.core.$strict
                >
              >
            >;
          },
          z.core.$strict
        >,
        z.ZodObject<
          {
            taskType: z.ZodLiteral<'ping'>;
            pong: z.ZodLiteral<true>;
          },
          z.core.$strict
        >,
        z.ZodObject<
          {
            taskType: z.ZodString;
            taskUUID: z.ZodString;
            warnings: z.ZodOptional<
              z.ZodArray<
                z.ZodObject<
                  {
                    code: z.ZodEnum<{
                      ignoredParameter: 'ignoredParameter';
                      unknownParameter: 'unknownParameter';
                    }>;
                    message: z.ZodString;
                    parameter: z.ZodString;
                  },
                  z.core.$strict
                >
              >
            >;
            status: z.ZodLiteral<'success'>;
            imageUUID: z.ZodString;
            imageURL: z.ZodURL;
            imageBase64Data: z.ZodOptional<z.ZodBase64>;
            imageDataURI: z.ZodOptional<z.ZodString>;
            seed: z.ZodUnion<readonly [z.ZodInt, z.ZodBigInt]>;
            resultIndex: z.ZodInt;
            cost: z.ZodOptional<z.ZodNumber>;
          },
          z.core.$strict
        >,
        z.ZodObject<
          {
            taskType: z.ZodString;
            taskUUID: z.ZodString;
            warnings: z.ZodOptional<
              z.ZodArray<
                z.ZodObject<
                  {
                    code: z.ZodEnum<{
                      ignoredParameter: 'ignoredParameter';
                      unknownParameter: 'unknownParameter';
                    }>;
                    message: z.ZodString;
                    parameter: z.ZodString;
                  },
                  z.core.$strict
                >
              >
            >;
            imageUUID: z.ZodString;
            imageURL: z.ZodURL;
          },
          z.core.$strict
        >,
        z.ZodObject<
          {
            taskType: z.ZodString;
            taskUUID: z.ZodString;
            warnings: z.ZodOptional<
              z.ZodArray<
                z.ZodObject<
                  {
                    code: z.ZodEnum<{
                      ignoredParameter: 'ignoredParameter';
                      unknownParameter: 'unknownParameter';
                    }>;
                    message: z.ZodString;
                    parameter: z.ZodString;
                  },
                  z.core.$strict
                >
              >
            >;
            operation: z.ZodEnum<{
              delete: 'delete';
              upload: 'upload';
            }>;
            mediaUUID: z.ZodString;
            mediaURL: z.ZodOptional<z.ZodURL>;
          },
          z.core.$strict
        >,
        z.ZodObject<
          {
            taskType: z.ZodString;
            taskUUID: z.ZodString;
            warnings: z.ZodOptional<
              z.ZodArray<
                z.ZodObject<
                  {
                    code: z.ZodEnum<{
                      ignoredParameter: 'ignoredParameter';
                      unknownParameter: 'unknownParameter';
                    }>;
                    message: z.ZodString;
                    parameter: z.ZodString;
                  },
                  z.core.$strict
                >
              >
            >;
            status: z.ZodLiteral<'processing'>;
            progress: z.ZodOptional<z.ZodNumber>;
            loading: z.ZodOptional<
              z.ZodObject<
                {
                  component: z.ZodString;
                  progress: z.ZodNumber;
                },
                z.core.$strict
              >
            >;
            preview: z.ZodOptional<
              z.ZodObject<
                {
                  resultIndex: z.ZodInt;
                  step: z.ZodInt;
                  steps: z.ZodInt;
                  width: z.ZodInt;
                  height: z.ZodInt;
                  format: z.ZodEnum<{
                    JPG: 'JPG';
                    PNG: 'PNG';
                    WEBP: 'WEBP';
                  }>;
                  imageBase64Data: z.ZodOptional<z.ZodBase64>;
                },
                z.core.$strict
              >
            >;
          },
          z.core.$strict
        >,
        z.ZodObject<
          {
            taskType: z.ZodString;
            taskUUID: z.ZodString;
            warnings: z.ZodOptional<
              z.ZodArray<
                z.ZodObject<
                  {
                    code: z.ZodEnum<{
                      ignoredParameter: 'ignoredParameter';
                      unknownParameter: 'unknownParameter';
                    }>;
                    message: z.ZodString;
                    parameter: z.ZodString;
                  },
                  z.core.$strict
                >
              >
            >;
            cancelled: z.ZodArray<z.ZodString>;
          },
          z.core.$strict
        >,
        z.ZodObject<
          {
            taskType: z.ZodString;
            taskUUID: z.ZodString;
            warnings: z.ZodOptional<
              z.ZodArray<
                z.ZodObject<
                  {
                    code: z.ZodEnum<{
                      ignoredParameter: 'ignoredParameter';
                      unknownParameter: 'unknownParameter';
                    }>;
                    message: z.ZodString;
                    parameter: z.ZodString;
                  },
                  z.core.$strict
                >
              >
            >;
            results: z.ZodArray<
              z.ZodDiscriminatedUnion<
                [
                  z.ZodObject<
                    {
                      air: z.ZodString;
                      name: z.ZodString;
                      version: z.ZodString;
                      architecture: z.ZodString;
                      type: z.ZodString;
                      tags: z.ZodArray<z.ZodString>;
                      heroImage: z.ZodOptional<z.ZodURL>;
                      private: z.ZodBoolean;
                      comment: z.ZodString;
                      available: z.ZodBoolean;
                      reason: z.ZodOptional<z.ZodString>;
                      precision: z.ZodOptional<z.ZodString>;
                      sizeBytes: z.ZodOptional<z.ZodInt>;
                      category: z.ZodLiteral<'checkpoint'>;
                      defaultWidth: z.ZodInt;
                      defaultHeight: z.ZodInt;
                      defaultSteps: z.ZodInt;
                      defaultScheduler: z.ZodString;
                      defaultCFG: z.ZodNumber;
                      defaultStrength: z.ZodOptional<z.ZodNumber>;
                      schedulers: z.ZodOptional<z.ZodArray<z.ZodString>>;
                      previewDecoders: z.ZodOptional<z.ZodArray<z.ZodString>>;
                    },
                    z.core.$strict
                  >,
                  z.ZodObject<
                    {
                      air: z.ZodString;
                      name: z.ZodString;
                      version: z.ZodString;
                      architecture: z.ZodString;
                      type: z.ZodString;
                      tags: z.ZodArray<z.ZodString>;
                      heroImage: z.ZodOptional<z.ZodURL>;
                      private: z.ZodBoolean;
                      comment: z.ZodString;
                      available: z.ZodBoolean;
                      reason: z.ZodOptional<z.ZodString>;
                      precision: z.ZodOptional<z.ZodString>;
                      sizeBytes: z.ZodOptional<z.ZodInt>;
                      category: z.ZodEnum<{
                        controlnet: 'controlnet';
                        embeddings: 'embeddings';
                        lora: 'lora';
                        vae: 'vae';
                      }>;
                    },
                    z.core.$strict
                  >,
                ],
                'category'
              >
            >;
            totalResults: z.ZodInt;
          },
          z.core.$strict
        >,
      ]
    >,
    z.ZodObject<
      {
        taskType: z.ZodString;
        taskUUID: z.ZodString;
        warnings: z.ZodOptional<
          z.ZodArray<
            z.ZodObject<
              {
                code: z.ZodEnum<{
                  ignoredParameter: 'ignoredParameter';
                  unknownParameter: 'unknownParameter';
                }>;
                message: z.ZodString;
                parameter: z.ZodString;
              },
              z.core.$strict
            >
          >
        >;
        operation: z.ZodString;
        organizationName: z.ZodString;
        organizationUUID: z.ZodString;
        balance: z.ZodObject<
          {
            amount: z.ZodNumber;
            freeBalance: z.ZodNumber;
            currency: z.ZodString;
          },
          z.core.$strict
        >;
        team: z.ZodTuple<[], null>;
        apiKeys: z.ZodTuple<[], null>;
        usage: z.ZodObject<
          {
            today: z.ZodObject<
              {
                count: z.ZodInt;
                spend: z.ZodOptional<z.ZodNumber>;
                clientErrors: z.ZodOptional<z.ZodInt>;
                serverErrors: z.ZodOptional<z.ZodInt>;
                avgInferenceTime: z.ZodOptional<z.ZodInt>;
                p50InferenceTime: z.ZodOptional<z.ZodInt>;
                p90InferenceTime: z.ZodOptional<z.ZodInt>;
                p99InferenceTime: z.ZodOptional<z.ZodInt>;
              },
              z.core.$strict
            >;
            last7Days: z.ZodObject<
              {
                count: z.ZodInt;
                spend: z.ZodOptional<z.ZodNumber>;
                clientErrors: z.ZodOptional<z.ZodInt>;
                serverErrors: z.ZodOptional<z.ZodInt>;
                avgInferenceTime: z.ZodOptional<z.ZodInt>;
                p50InferenceTime: z.ZodOptional<z.ZodInt>;
                p90InferenceTime: z.ZodOptional<z.ZodInt>;
                p99InferenceTime: z.ZodOptional<z.ZodInt>;
              },
              z.core.$strict
            >;
            last30Days: z.ZodObject<
              {
                count: z.ZodInt;
                spend: z.ZodOptional<z.ZodNumber>;
                clientErrors: z.ZodOptional<z.ZodInt>;
                serverErrors: z.ZodOptional<z.ZodInt>;
                avgInferenceTime: z.ZodOptional<z.ZodInt>;
                p50InferenceTime: z.ZodOptional<z.ZodInt>;
                p90InferenceTime: z.ZodOptional<z.ZodInt>;
                p99InferenceTime: z.ZodOptional<z.ZodInt>;
              },
              z.core.$strict
            >;
            total: z.ZodObject<
              {
                count: z.ZodInt;
                spend: z.ZodOptional<z.ZodNumber>;
                clientErrors: z.ZodOptional<z.ZodInt>;
                serverErrors: z.ZodOptional<z.ZodInt>;
                avgInferenceTime: z.ZodOptional<z.ZodInt>;
                p50InferenceTime: z.ZodOptional<z.ZodInt>;
                p90InferenceTime: z.ZodOptional<z.ZodInt>;
                p99InferenceTime: z.ZodOptional<z.ZodInt>;
              },
              z.core.$strict
            >;
            timeseries: z.ZodOptional<
              z.ZodArray<
                z.ZodObject<
                  {
                    count: z.ZodInt;
                    spend: z.ZodOptional<z.ZodNumber>;
                    clientErrors: z.ZodOptional<z.ZodInt>;
                    serverErrors: z.ZodOptional<z.ZodInt>;
                    avgInferenceTime: z.ZodOptional<z.ZodInt>;
                    p50InferenceTime: z.ZodOptional<z.ZodInt>;
                    p90InferenceTime: z.ZodOptional<z.ZodInt>;
                    p99InferenceTime: z.ZodOptional<z.ZodInt>;
                    date: z.ZodISODate;
                  },
                  z.core.$strict
                >
              >
            >;
            model: z.ZodOptional<
              z.ZodArray<
                z.ZodObject<
                  {
                    count: z.ZodInt;
                    spend: z.ZodOptional<z.ZodNumber>;
                    clientErrors: z.ZodOptional<z.ZodInt>;
                    serverErrors: z.ZodOptional<z.ZodInt>;
                    avgInferenceTime: z.ZodOptional<z.ZodInt>;
                    p50InferenceTime: z.ZodOptional<z.ZodInt>;
                    p90InferenceTime: z.ZodOptional<z.ZodInt>;
                    p99InferenceTime: z.ZodOptional<z.ZodInt>;
                    model: z.ZodString;
                  },
                  z.core.$strict
                >
              >
            >;
            apiKey: z.ZodOptional<
              z.ZodArray<
                z.ZodObject<
                  {
                    count: z.ZodInt;
                    spend: z.ZodOptional<z.ZodNumber>;
                    clientErrors: z.ZodOptional<z.ZodInt>;
                    serverErrors: z.ZodOptional<z.ZodInt>;
                    avgInferenceTime: z.ZodOptional<z.ZodInt>;
                    p50InferenceTime: z.ZodOptional<z.ZodInt>;
                    p90InferenceTime: z.ZodOptional<z.ZodInt>;
                    p99InferenceTime: z.ZodOptional<z.ZodInt>;
                    apiKey: z.ZodString;
                  },
                  z.core.$strict
                >
              >
            >;
          },
          z.core.$strict
        >;
      },
      z.core.$strict
    >,
    z.ZodObject<
      {
        taskType: z.ZodString;
        taskUUID: z.ZodString;
        warnings: z.ZodOptional<
          z.ZodArray<
            z.ZodObject<
              {
                code: z.ZodEnum<{
                  ignoredParameter: 'ignoredParameter';
                  unknownParameter: 'unknownParameter';
                }>;
                message: z.ZodString;
                parameter: z.ZodString;
              },
              z.core.$strict
            >
          >
        >;
        status: z.ZodLiteral<'success'>;
        request: z.ZodTuple<[z.ZodRecord<z.ZodString, z.ZodUnknown>], null>;
        response: z.ZodObject<
          {
            data: z.ZodOptional<
              z.ZodArray<
                z.ZodObject<
                  {
                    taskType: z.ZodString;
                    taskUUID: z.ZodString;
                    warnings: z.ZodOptional<
                      z.ZodArray<
                        z.ZodObject<
                          {
                            code: z.ZodEnum<{
                              ignoredParameter: 'ignoredParameter';
                              unknownParameter: 'unknownParameter';
                            }>;
                            message: z.ZodString;
                            parameter: z.ZodString;
                          },
                          z.core.$strict
                        >
                      >
                    >;
                    status: z.ZodLiteral<'success'>;
                    imageUUID: z.ZodString;
                    imageURL: z.ZodURL;
                    imageBase64Data: z.ZodOptional<z.ZodBase64>;
                    imageDataURI: z.ZodOptional<z.ZodString>;
                    seed: z.ZodUnion<readonly [z.ZodInt, z.ZodBigInt]>;
                    resultIndex: z.ZodInt;
                    cost: z.ZodOptional<z.ZodNumber>;
                  },
                  z.core.$strict
                >
              >
            >;
            errors: z.ZodOptional<
              z.ZodTuple<
                [
                  z.ZodObject<
                    {
                      code: z.ZodCustom<ErrorCode, ErrorCode>;
                      message: z.ZodString;
                      parameter: z.ZodOptional<z.ZodString>;
                      type: z.ZodOptional<z.ZodString>;
                      documentation: z.ZodOptional<z.ZodURL>;
                      taskUUID: z.ZodOptional<z.ZodString>;
                      taskType: z.ZodOptional<z.ZodString>;
                      min: z.ZodOptional<z.ZodNumber>;
                      max: z.ZodOptional<z.ZodUnion<readonly [z.ZodNumber, z.ZodBigInt]>>;
                      default: z.ZodOptional<z.ZodUnion<readonly [z.ZodString, z.ZodNumber, z.ZodBoolean]>>;
                      allowedValues: z.ZodOptional<
                        z.ZodReadonly<z.ZodArray<z.ZodUnion<readonly [z.ZodString, z.ZodNumber, z.ZodBoolean]>>>
                      >;
                      retryAfterMs: z.ZodOptional<z.ZodInt>;
                    },
                    z.core.$strict
                  >,
                ],
                null
              >
            >;
          },
          z.core.$strict
        >;
      },
      z.core.$strict
    >,
  ]
>;
/** Every text frame of a server: data, errors or events, and never two of them. */
export declare const serverFrameSchema: z.ZodUnion<
  readonly [
    z.ZodObject<
      {
        data: z.ZodTuple<
          [
            z.ZodUnion<
              readonly [
                z.ZodUnion<
                  readonly [
                    z.ZodObject<
                      {
                        taskType: z.ZodLiteral<'authentication'>;
                        connectionSessionUUID: z.ZodString;
                        warnings: z.ZodOptional<
                          z.ZodArray<
                            z.ZodObject<
                              {
                                code: z.ZodEnum<{
                                  ignoredParameter: 'ignoredParameter';
                                  unknownParameter: 'unknownParameter';
                                }>;
                                message: z.ZodString;
                                parameter: z.ZodString;
                              },
                              z.core.$strict
                            >
                          >
                        >;
                      },
                      z.core.$strict
                    >,
                    z.ZodObject<
                      {
                        taskType: z.ZodLiteral<'ping'>;
                        pong: z.ZodLiteral<true>;
                      },
                      z.core.$strict
                    >,
                    z.ZodObject<
                      {
                        taskType: z.ZodString;
                        taskUUID: z.ZodString;
                        warnings: z.ZodOptional<
                          z.ZodArray<
                            z.ZodObject<
                              {
                                code: z.ZodEnum<{
                                  ignoredParameter: 'ignoredParameter';
                                  unknownParameter: 'unknownParameter';
                                }>;
                                message: z.ZodString;
                                parameter: z.ZodString;
                              },
                              z.core.$strict
                            >
                          >
                        >;
                        status: z.ZodLiteral<'success'>;
                        imageUUID: z.ZodString;
                        imageURL: z.ZodURL;
                        imageBase64Data: z.ZodOptional<z.ZodBase64>;
                        imageDataURI: z.ZodOptional<z.ZodString>;
                        seed: z.ZodUnion<readonly [z.ZodInt, z.ZodBigInt]>;
                        resultIndex: z.ZodInt;
                        cost: z.ZodOptional<z.ZodNumber>;
                      },
                      z.core.$strict
                    >,
                    z.ZodObject<
                      {
                        taskType: z.ZodString;
                        taskUUID: z.ZodString;
                        warnings: z.ZodOptional<
                          z.ZodArray<
                            z.ZodObject<
                              {
                                code: z.ZodEnum<{
                                  ignoredParameter: 'ignoredParameter';
                                  unknownParameter: 'unknownParameter';
                                }>;
                                message: z.ZodString;
                                parameter: z.ZodString;
                              },
                              z.core.$strict
                            >
                          >
                        >;
                        imageUUID: z.ZodString;
                        imageURL: z.ZodURL;
                      },
                      z.core.$strict
                    >,
                    z.ZodObject<
                      {
                        taskType: z.ZodString;
                        taskUUID: z.ZodString;
                        warnings: z.ZodOptional<
                          z.ZodArray<
                            z.ZodObject<
                              {
                                code: z.ZodEnum<{
                                  ignoredParameter: 'ignoredParameter';
                                  unknownParameter: 'unknownParameter';
                                }>;
                                message: z.ZodString;
                                parameter: z.ZodString;
                              },
                              z.core.$strict
                            >
                          >
                        >;
                        operation: z.ZodEnum<{
                          delete: 'delete';
                          upload: 'upload';
                        }>;
                        mediaUUID: z.ZodString;
                        mediaURL: z.ZodOptional<z.ZodURL>;
                      },
                      z.core.$strict
                    >,
                    z.ZodObject<
                      {
                        taskType: z.ZodString;
                        taskUUID: z.ZodString;
                        warnings: z.ZodOptional<
                          z.ZodArray<
                            z.ZodObject<
                              {
                                code: z.ZodEnum<{
                                  ignoredParameter: 'ignoredParameter';
                                  unknownParameter: 'unknownParameter';
                                }>;
                                message: z.ZodString;
                                parameter: z.ZodString;
                              },
                              z.core.$strict
                            >
                          >
                        >;
                        status: z.ZodLiteral<'processing'>;
                        progress: z.ZodOptional<z.ZodNumber>;
                        loading: z.ZodOptional<
                          z.ZodObject<
                            {
                              component: z.ZodString;
                              progress: z.ZodNumber;
                            },
                            z.core.$strict
                          >
                        >;
                        preview: z.ZodOptional<
                          z.ZodObject<
                            {
                              resultIndex: z.ZodInt;
                              step: z.ZodInt;
                              steps: z.ZodInt;
                              width: z.ZodInt;
                              height: z.ZodInt;
                              format: z.ZodEnum<{
                                JPG: 'JPG';
                                PNG: 'PNG';
                                WEBP: 'WEBP';
                              }>;
                              imageBase64Data: z.ZodOptional<z.ZodBase64>;
                            },
                            z.core.$strict
                          >
                        >;
                      },
                      z.core.$strict
                    >,
                    z.ZodObject<
                      {
                        taskType: z.ZodString;
                        taskUUID: z.ZodString;
                        warnings: z.ZodOptional<
                          z.ZodArray<
                            z.ZodObject<
                              {
                                code: z.ZodEnum<{
                                  ignoredParameter: 'ignoredParameter';
                                  unknownParameter: 'unknownParameter';
                                }>;
                                message: z.ZodString;
                                parameter: z.ZodString;
                              },
                              z.core.$strict
                            >
                          >
                        >;
                        cancelled: z.ZodArray<z.ZodString>;
                      },
                      z.core.$strict
                    >,
                    z.ZodObject<
                      {
                        taskType: z.ZodString;
                        taskUUID: z.ZodString;
                        warnings: z.ZodOptional<
                          z.ZodArray<
                            z.ZodObject<
                              {
                                code: z.ZodEnum<{
                                  ignoredParameter: 'ignoredParameter';
                                  unknownParameter: 'unknownParameter';
                                }>;
                                message: z.ZodString;
                                parameter: z.ZodString;
                              },
                              z.core.$strict
                            >
                          >
                        >;
                        results: z.ZodArray<
                          z.ZodDiscriminatedUnion<
                            [
                              z.ZodObject<
                                {
                                  air: z.ZodString;
                                  name: z.ZodString;
                                  version: z.ZodString;
                                  architecture: z.ZodString;
                                  type: z.ZodString;
                                  tags: z.ZodArray<z.ZodString>;
                                  heroImage: z.ZodOptional<z.ZodURL>;
                                  private: z.ZodBoolean;
                                  comment: z.ZodString;
                                  available: z.ZodBoolean;
                                  reason: z.ZodOptional<z.ZodString>;
                                  precision: z.ZodOptional<z.ZodString>;
                                  sizeBytes: z.ZodOptional<z.ZodInt>;
                                  category: z.ZodLiteral<'checkpoint'>;
                                  defaultWidth: z.ZodInt;
                                  defaultHeight: z.ZodInt;
                                  defaultSteps: z.ZodInt;
                                  defaultScheduler: z.ZodString;
                                  defaultCFG: z.ZodNumber;
                                  defaultStrength: z.ZodOptional<z.ZodNumber>;
                                  schedulers: z.ZodOptional<z.ZodArray<z.ZodString>>;
                                  previewDecoders: z.ZodOptional<z.ZodArray<z.ZodString>>;
                                },
                                z.core.$strict
                              >,
                              z.ZodObject<
                                {
                                  air: z.ZodString;
                                  name: z.ZodString;
                                  version: z.ZodString;
                                  architecture: z.ZodString;
                                  type: z.ZodString;
                                  tags: z.ZodArray<z.ZodString>;
                                  heroImage: z.ZodOptional<z.ZodURL>;
                                  private: z.ZodBoolean;
                                  comment: z.ZodString;
                                  available: z.ZodBoolean;
                                  reason: z.ZodOptional<z.ZodString>;
                                  precision: z.ZodOptional<z.ZodString>;
                                  sizeBytes: z.ZodOptional<z.ZodInt>;
                                  category: z.ZodEnum<{
                                    controlnet: 'controlnet';
                                    embeddings: 'embeddings';
                                    lora: 'lora';
                                    vae: 'vae';
                                  }>;
                                },
                                z.core.$strict
                              >,
                            ],
                            'category'
                          >
                        >;
                        totalResults: z.ZodInt;
                      },
                      z.core.$strict
                    >,
                  ]
                >,
                z.ZodObject<
                  {
                    taskType: z.ZodString;
                    taskUUID: z.ZodString;
                    warnings: z.ZodOptional<
                      z.ZodArray<
                        z.ZodObject<
                          {
                            code: z.ZodEnum<{
                              ignoredParameter: 'ignoredParameter';
                              unknownParameter: 'unknownParameter';
                            }>;
                            message: z.ZodString;
                            parameter: z.ZodString;
                          },
                          z.core.$strict
                        >
                      >
                    >;
                    operation: z.ZodString;
                    organizationName: z.ZodString;
                    organizationUUID: z.ZodString;
                    balance: z.ZodObject<
                      {
                        amount: z.ZodNumber;
                        freeBalance: z.ZodNumber;
                        currency: z.ZodString;
                      },
                      z.core.$strict
                    >;
                    team: z.ZodTuple<[], null>;
                    apiKeys: z.ZodTuple<[], null>;
                    usage: z.ZodObject<
                      {
                        today: z.ZodObject<
                          {
                            count: z.ZodInt;
                            spend: z.ZodOptional<z.ZodNumber>;
                            clientErrors: z.ZodOptional<z.ZodInt>;
                            serverErrors: z.ZodOptional<z.ZodInt>;
                            avgInferenceTime: z.ZodOptional<z.ZodInt>;
                            p50InferenceTime: z.ZodOptional<z.ZodInt>;
                            p90InferenceTime: z.ZodOptional<z.ZodInt>;
                            p99InferenceTime: z.ZodOptional<z.ZodInt>;
                          },
                          z.core.$strict
                        >;
                        last7Days: z.ZodObject<
                          {
                            count: z.ZodInt;
                            spend: z.ZodOptional<z.ZodNumber>;
                            clientErrors: z.ZodOptional<z.ZodInt>;
                            serverErrors: z.ZodOptional<z.ZodInt>;
                            avgInferenceTime: z.ZodOptional<z.ZodInt>;
                            p50InferenceTime: z.ZodOptional<z.ZodInt>;
                            p90InferenceTime: z.ZodOptional<z.ZodInt>;
                            p99InferenceTime: z.ZodOptional<z.ZodInt>;
                          },
                          z.core.$strict
                        >;
                        last30Days: z.ZodObject<
                          {
                            count: z.ZodInt;
                            spend: z.ZodOptional<z.ZodNumber>;
                            clientErrors: z.ZodOptional<z.ZodInt>;
                            serverErrors: z.ZodOptional<z.ZodInt>;
                            avgInferenceTime: z.ZodOptional<z.ZodInt>;
                            p50InferenceTime: z.ZodOptional<z.ZodInt>;
                            p90InferenceTime: z.ZodOptional<z.ZodInt>;
                            p99InferenceTime: z.ZodOptional<z.ZodInt>;
                          },
                          z.core.$strict
                        >;
                        total: z.ZodObject<
                          {
                            count: z.ZodInt;
                            spend: z.ZodOptional<z.ZodNumber>;
                            clientErrors: z.ZodOptional<z.ZodInt>;
                            serverErrors: z.ZodOptional<z.ZodInt>;
                            avgInferenceTime: z.ZodOptional<z.ZodInt>;
                            p50InferenceTime: z.ZodOptional<z.ZodInt>;
                            p90InferenceTime: z.ZodOptional<z.ZodInt>;
                            p99InferenceTime: z.ZodOptional<z.ZodInt>;
                          },
                          z.core.$strict
                        >;
                        timeseries: z.ZodOptional<
                          z.ZodArray<
                            z.ZodObject<
                              {
                                count: z.ZodInt;
                                spend: z.ZodOptional<z.ZodNumber>;
                                clientErrors: z.ZodOptional<z.ZodInt>;
                                serverErrors: z.ZodOptional<z.ZodInt>;
                                avgInferenceTime: z.ZodOptional<z.ZodInt>;
                                p50InferenceTime: z.ZodOptional<z.ZodInt>;
                                p90InferenceTime: z.ZodOptional<z.ZodInt>;
                                p99InferenceTime: z.ZodOptional<z.ZodInt>;
                                date: z.ZodISODate;
                              },
                              z.core.$strict
                            >
                          >
                        >;
                        model: z.ZodOptional<
                          z.ZodArray<
                            z.ZodObject<
                              {
                                count: z.ZodInt;
                                spend: z.ZodOptional<z.ZodNumber>;
                                clientErrors: z.ZodOptional<z.ZodInt>;
                                serverErrors: z.ZodOptional<z.ZodInt>;
                                avgInferenceTime: z.ZodOptional<z.ZodInt>;
                                p50InferenceTime: z.ZodOptional<z.ZodInt>;
                                p90InferenceTime: z.ZodOptional<z.ZodInt>;
                                p99InferenceTime: z.ZodOptional<z.ZodInt>;
                                model: z.ZodString;
                              },
                              z.core.$strict
                            >
                          >
                        >;
                        apiKey: z.ZodOptional<
                          z.ZodArray<
                            z.ZodObject<
                              {
                                count: z.ZodInt;
                                spend: z.ZodOptional<z.ZodNumber>;
                                clientErrors: z.ZodOptional<z.ZodInt>;
                                serverErrors: z.ZodOptional<z.ZodInt>;
                                avgInferenceTime: z.ZodOptional<z.ZodInt>;
                                p50InferenceTime: z.ZodOptional<z.ZodInt>;
                                p90InferenceTime: z.ZodOptional<z.ZodInt>;
                                p99InferenceTime: z.ZodOptional<z.ZodInt>;
                                apiKey: z.ZodString;
                              },
                              z.core.$strict
                            >
                          >
                        >;
                      },
                      z.core.$strict
                    >;
                  },
                  z.core.$strict
                >,
                z.ZodObject<
                  {
                    taskType: z.ZodString;
                    taskUUID: z.ZodString;
                    warnings: z.ZodOptional<
                      z.ZodArray<
                        z.ZodObject<
                          {
                            code: z.ZodEnum<{
                              ignoredParameter: 'ignoredParameter';
                              unknownParameter: 'unknownParameter';
                            }>;
                            message: z.ZodString;
                            parameter: z.ZodString;
                          },
                          z.core.$strict
                        >
                      >
                    >;
                    status: z.ZodLiteral<'success'>;
                    request: z.ZodTuple<[z.ZodRecord<z.ZodString, z.ZodUnknown>], null>;
                    response: z.ZodObject<
                      {
                        data: z.ZodOptional<
                          z.ZodArray<
                            z.ZodObject<
                              {
                                taskType: z.ZodString;
                                taskUUID: z.ZodString;
                                warnings: z.ZodOptional<
                                  z.ZodArray<
                                    z.ZodObject<
                                      {
                                        code: z.ZodEnum<{
                                          ignoredParameter: 'ignoredParameter';
                                          unknownParameter: 'unknownParameter';
                                        }>;
                                        message: z.ZodString;
                                        parameter: z.ZodString;
                                      },
                                      z.core.$strict
                                    >
                                  >
                                >;
                                status: z.ZodLiteral<'success'>;
                                imageUUID: z.ZodString;
                                imageURL: z.ZodURL;
                                imageBase64Data: z.ZodOptional<z.ZodBase64>;
                                imageDataURI: z.ZodOptional<z.ZodString>;
                                seed: z.ZodUnion<readonly [z.ZodInt, z.ZodBigInt]>;
                                resultIndex: z.ZodInt;
                                cost: z.ZodOptional<z.ZodNumber>;
                              },
                              z.core.$strict
                            >
                          >
                        >;
                        errors: z.ZodOptional<
                          z.ZodTuple<
                            [
                              z.ZodObject<
                                {
                                  code: z.ZodCustom<ErrorCode, ErrorCode>;
                                  message: z.ZodString;
                                  parameter: z.ZodOptional<z.ZodString>;
                                  type: z.ZodOptional<z.ZodString>;
                                  documentation: z.ZodOptional<z.ZodURL>;
                                  taskUUID: z.ZodOptional<z.ZodString>;
                                  taskType: z.ZodOptional<z.ZodString>;
                                  min: z.ZodOptional<z.ZodNumber>;
                                  max: z.ZodOptional<z.ZodUnion<readonly [z.ZodNumber, z.ZodBigInt]>>;
                                  default: z.ZodOptional<z.ZodUnion<readonly [z.ZodString, z.ZodNumber, z.ZodBoolean]>>;
                                  allowedValues: z.ZodOptional<
                                    z.ZodReadonly<
                                      z.ZodArray<z.ZodUnion<readonly [z.ZodString, z.ZodNumber, z.ZodBoolean]>>
                                    >
                                  >;
                                  retryAfterMs: z.ZodOptional<z.ZodInt>;
                                },
                                z.core.$strict
                              >,
                            ],
                            null
                          >
                        >;
                      },
                      z.core.$strict
                    >;
                  },
                  z.core.$strict
                >,
              ]
            >,
          ],
          z.ZodUnion<
            readonly [
              z.ZodUnion<
                readonly [
                  z.ZodObject<
                    {
                      taskType: z.ZodLiteral<'authentication'>;
                      connectionSessionUUID: z.ZodString;
                      warnings: z.ZodOptional<
                        z.ZodArray<
                          z.ZodObject<
                            {
                              code: z.ZodEnum<{
                                ignoredParameter: 'ignoredParameter';
                                unknownParameter: 'unknownParameter';
                              }>;
                              message: z.ZodString;
                              parameter: z.ZodString;
                            },
                            z.core.$strict
                          >
                        >
                      >;
                    },
                    z.core.$strict
                  >,
                  z.ZodObject<
                    {
                      taskType: z.ZodLiteral<'ping'>;
                      pong: z.ZodLiteral<true>;
                    },
                    z.core.$strict
                  >,
                  z.ZodObject<
                    {
                      taskType: z.ZodString;
                      taskUUID: z.ZodString;
                      warnings: z.ZodOptional<
                        z.ZodArray<
                          z.ZodObject<
                            {
                              code: z.ZodEnum<{
                                ignoredParameter: 'ignoredParameter';
                                unknownParameter: 'unknownParameter';
                              }>;
                              message: z.ZodString;
                              parameter: z.ZodString;
                            },
                            z.core.$strict
                          >
                        >
                      >;
                      status: z.ZodLiteral<'success'>;
                      imageUUID: z.ZodString;
                      imageURL: z.ZodURL;
                      imageBase64Data: z.ZodOptional<z.ZodBase64>;
                      imageDataURI: z.ZodOptional<z.ZodString>;
                      seed: z.ZodUnion<readonly [z.ZodInt, z.ZodBigInt]>;
                      resultIndex: z.ZodInt;
                      cost: z.ZodOptional<z.ZodNumber>;
                    },
                    z.core.$strict
                  >,
                  z.ZodObject<
                    {
                      taskType: z.ZodString;
                      taskUUID: z.ZodString;
                      warnings: z.ZodOptional<
                        z.ZodArray<
                          z.ZodObject<
                            {
                              code: z.ZodEnum<{
                                ignoredParameter: 'ignoredParameter';
                                unknownParameter: 'unknownParameter';
                              }>;
                              message: z.ZodString;
                              parameter: z.ZodString;
                            },
                            z.core.$strict
                          >
                        >
                      >;
                      imageUUID: z.ZodString;
                      imageURL: z.ZodURL;
                    },
                    z.core.$strict
                  >,
                  z.ZodObject<
                    {
                      taskType: z.ZodString;
                      taskUUID: z.ZodString;
                      warnings: z.ZodOptional<
                        z.ZodArray<
                          z.ZodObject<
                            {
                              code: z.ZodEnum<{
                                ignoredParameter: 'ignoredParameter';
                                unknownParameter: 'unknownParameter';
                              }>;
                              message: z.ZodString;
                              parameter: z.ZodString;
                            },
                            z.core.$strict
                          >
                        >
                      >;
                      operation: z.ZodEnum<{
                        delete: 'delete';
                        upload: 'upload';
                      }>;
                      mediaUUID: z.ZodString;
                      mediaURL: z.ZodOptional<z.ZodURL>;
                    },
                    z.core.$strict
                  >,
                  z.ZodObject<
                    {
                      taskType: z.ZodString;
                      taskUUID: z.ZodString;
                      warnings: z.ZodOptional<
                        z.ZodArray<
                          z.ZodObject<
                            {
                              code: z.ZodEnum<{
                                ignoredParameter: 'ignoredParameter';
                                unknownParameter: 'unknownParameter';
                              }>;
                              message: z.ZodString;
                              parameter: z.ZodString;
                            },
                            z.core.$strict
                          >
                        >
                      >;
                      status: z.ZodLiteral<'processing'>;
                      progress: z.ZodOptional<z.ZodNumber>;
                      loading: z.ZodOptional<
                        z.ZodObject<
                          {
                            component: z.ZodString;
                            progress: z.ZodNumber;
                          },
                          z.core.$strict
                        >
                      >;
                      preview: z.ZodOptional<
                        z.ZodObject<
                          {
                            resultIndex: z.ZodInt;
                            step: z.ZodInt;
                            steps: z.ZodInt;
                            width: z.ZodInt;
                            height: z.ZodInt;
                            format: z.ZodEnum<{
                              JPG: 'JPG';
                              PNG: 'PNG';
                              WEBP: 'WEBP';
                            }>;
                            imageBase64Data: z.ZodOptional<z.ZodBase64>;
                          },
                          z.core.$strict
                        >
                      >;
                    },
                    z.core.$strict
                  >,
                  z.ZodObject<
                    {
                      taskType: z.ZodString;
                      taskUUID: z.ZodString;
                      warnings: z.ZodOptional<
                        z.ZodArray<
                          z.ZodObject<
                            {
                              code: z.ZodEnum<{
                                ignoredParameter: 'ignoredParameter';
                                unknownParameter: 'unknownParameter';
                              }>;
                              message: z.ZodString;
                              parameter: z.ZodString;
                            },
                            z.core.$strict
                          >
                        >
                      >;
                      cancelled: z.ZodArray<z.ZodString>;
                    },
                    z.core.$strict
                  >,
                  z.ZodObject<
                    {
                      taskType: z.ZodString;
                      taskUUID: z.ZodString;
                      warnings: z.ZodOptional<
                        z.ZodArray<
                          z.ZodObject<
                            {
                              code: z.ZodEnum<{
                                ignoredParameter: 'ignoredParameter';
                                unknownParameter: 'unknownParameter';
                              }>;
                              message: z.ZodString;
                              parameter: z.ZodString;
                            },
                            z.core.$strict
                          >
                        >
                      >;
                      results: z.ZodArray<
                        z.ZodDiscriminatedUnion<
                          [
                            z.ZodObject<
                              {
                                air: z.ZodString;
                                name: z.ZodString;
                                version: z.ZodString;
                                architecture: z.ZodString;
                                type: z.ZodString;
                                tags: z.ZodArray<z.ZodString>;
                                heroImage: z.ZodOptional<z.ZodURL>;
                                private: z.ZodBoolean;
                                comment: z.ZodString;
                                available: z.ZodBoolean;
                                reason: z.ZodOptional<z.ZodString>;
                                precision: z.ZodOptional<z.ZodString>;
                                sizeBytes: z.ZodOptional<z.ZodInt>;
                                category: z.ZodLiteral<'checkpoint'>;
                                defaultWidth: z.ZodInt;
                                defaultHeight: z.ZodInt;
                                defaultSteps: z.ZodInt;
                                defaultScheduler: z.ZodString;
                                defaultCFG: z.ZodNumber;
                                defaultStrength: z.ZodOptional<z.ZodNumber>;
                                schedulers: z.ZodOptional<z.ZodArray<z.ZodString>>;
                                previewDecoders: z.ZodOptional<z.ZodArray<z.ZodString>>;
                              },
                              z.core.$strict
                            >,
                            z.ZodObject<
                              {
                                air: z.ZodString;
                                name: z.ZodString;
                                version: z.ZodString;
                                architecture: z.ZodString;
                                type: z.ZodString;
                                tags: z.ZodArray<z.ZodString>;
                                heroImage: z.ZodOptional<z.ZodURL>;
                                private: z.ZodBoolean;
                                comment: z.ZodString;
                                available: z.ZodBoolean;
                                reason: z.ZodOptional<z.ZodString>;
                                precision: z.ZodOptional<z.ZodString>;
                                sizeBytes: z.ZodOptional<z.ZodInt>;
                                category: z.ZodEnum<{
                                  controlnet: 'controlnet';
                                  embeddings: 'embeddings';
                                  lora: 'lora';
                                  vae: 'vae';
                                }>;
                              },
                              z.core.$strict
                            >,
                          ],
                          'category'
                        >
                      >;
                      totalResults: z.ZodInt;
                    },
                    z.core.$strict
                  >,
                ]
              >,
              z.ZodObject<
                {
                  taskType: z.ZodString;
                  taskUUID: z.ZodString;
                  warnings: z.ZodOptional<
                    z.ZodArray<
                      z.ZodObject<
                        {
                          code: z.ZodEnum<{
                            ignoredParameter: 'ignoredParameter';
                            unknownParameter: 'unknownParameter';
                          }>;
                          message: z.ZodString;
                          parameter: z.ZodString;
                        },
                        z.core.$strict
                      >
                    >
                  >;
                  operation: z.ZodString;
                  organizationName: z.ZodString;
                  organizationUUID: z.ZodString;
                  balance: z.ZodObject<
                    {
                      amount: z.ZodNumber;
                      freeBalance: z.ZodNumber;
                      currency: z.ZodString;
                    },
                    z.core.$strict
                  >;
                  team: z.ZodTuple<[], null>;
                  apiKeys: z.ZodTuple<[], null>;
                  usage: z.ZodObject<
                    {
                      today: z.ZodObject<
                        {
                          count: z.ZodInt;
                          spend: z.ZodOptional<z.ZodNumber>;
                          clientErrors: z.ZodOptional<z.ZodInt>;
                          serverErrors: z.ZodOptional<z.ZodInt>;
                          avgInferenceTime: z.ZodOptional<z.ZodInt>;
                          p50InferenceTime: z.ZodOptional<z.ZodInt>;
                          p90InferenceTime: z.ZodOptional<z.ZodInt>;
                          p99InferenceTime: z.ZodOptional<z.ZodInt>;
                        },
                        z.core.$strict
                      >;
                      last7Days: z.ZodObject<
                        {
                          count: z.ZodInt;
                          spend: z.ZodOptional<z.ZodNumber>;
                          clientErrors: z.ZodOptional<z.ZodInt>;
                          serverErrors: z.ZodOptional<z.ZodInt>;
                          avgInferenceTime: z.ZodOptional<z.ZodInt>;
                          p50InferenceTime: z.ZodOptional<z.ZodInt>;
                          p90InferenceTime: z.ZodOptional<z.ZodInt>;
                          p99InferenceTime: z.ZodOptional<z.ZodInt>;
                        },
                        z.core.$strict
                      >;
                      last30Days: z.ZodObject<
                        {
                          count: z.ZodInt;
                          spend: z.ZodOptional<z.ZodNumber>;
                          clientErrors: z.ZodOptional<z.ZodInt>;
                          serverErrors: z.ZodOptional<z.ZodInt>;
                          avgInferenceTime: z.ZodOptional<z.ZodInt>;
                          p50InferenceTime: z.ZodOptional<z.ZodInt>;
                          p90InferenceTime: z.ZodOptional<z.ZodInt>;
                          p99InferenceTime: z.ZodOptional<z.ZodInt>;
                        },
                        z.core.$strict
                      >;
                      total: z.ZodObject<
                        {
                          count: z.ZodInt;
                          spend: z.ZodOptional<z.ZodNumber>;
                          clientErrors: z.ZodOptional<z.ZodInt>;
                          serverErrors: z.ZodOptional<z.ZodInt>;
                          avgInferenceTime: z.ZodOptional<z.ZodInt>;
                          p50InferenceTime: z.ZodOptional<z.ZodInt>;
                          p90InferenceTime: z.ZodOptional<z.ZodInt>;
                          p99InferenceTime: z.ZodOptional<z.ZodInt>;
                        },
                        z.core.$strict
                      >;
                      timeseries: z.ZodOptional<
                        z.ZodArray<
                          z.ZodObject<
                            {
                              count: z.ZodInt;
                              spend: z.ZodOptional<z.ZodNumber>;
                              clientErrors: z.ZodOptional<z.ZodInt>;
                              serverErrors: z.ZodOptional<z.ZodInt>;
                              avgInferenceTime: z.ZodOptional<z.ZodInt>;
                              p50InferenceTime: z.ZodOptional<z.ZodInt>;
                              p90InferenceTime: z.ZodOptional<z.ZodInt>;
                              p99InferenceTime: z.ZodOptional<z.ZodInt>;
                              date: z.ZodISODate;
                            },
                            z.core.$strict
                          >
                        >
                      >;
                      model: z.ZodOptional<
                        z.ZodArray<
                          z.ZodObject<
                            {
                              count: z.ZodInt;
                              spend: z.ZodOptional<z.ZodNumber>;
                              clientErrors: z.ZodOptional<z.ZodInt>;
                              serverErrors: z.ZodOptional<z.ZodInt>;
                              avgInferenceTime: z.ZodOptional<z.ZodInt>;
                              p50InferenceTime: z.ZodOptional<z.ZodInt>;
                              p90InferenceTime: z.ZodOptional<z.ZodInt>;
                              p99InferenceTime: z.ZodOptional<z.ZodInt>;
                              model: z.ZodString;
                            },
                            z.core.$strict
                          >
                        >
                      >;
                      apiKey: z.ZodOptional<
                        z.ZodArray<
                          z.ZodObject<
                            {
                              count: z.ZodInt;
                              spend: z.ZodOptional<z.ZodNumber>;
                              clientErrors: z.ZodOptional<z.ZodInt>;
                              serverErrors: z.ZodOptional<z.ZodInt>;
                              avgInferenceTime: z.ZodOptional<z.ZodInt>;
                              p50InferenceTime: z.ZodOptional<z.ZodInt>;
                              p90InferenceTime: z.ZodOptional<z.ZodInt>;
                              p99InferenceTime: z.ZodOptional<z.ZodInt>;
                              apiKey: z.ZodString;
                            },
                            z.core.$strict
                          >
                        >
                      >;
                    },
                    z.core.$strict
                  >;
                },
                z.core.$strict
              >,
              z.ZodObject<
                {
                  taskType: z.ZodString;
                  taskUUID: z.ZodString;
                  warnings: z.ZodOptional<
                    z.ZodArray<
                      z.ZodObject<
                        {
                          code: z.ZodEnum<{
                            ignoredParameter: 'ignoredParameter';
                            unknownParameter: 'unknownParameter';
                          }>;
                          message: z.ZodString;
                          parameter: z.ZodString;
                        },
                        z.core.$strict
                      >
                    >
                  >;
                  status: z.ZodLiteral<'success'>;
                  request: z.ZodTuple<[z.ZodRecord<z.ZodString, z.ZodUnknown>], null>;
                  response: z.ZodObject<
                    {
                      data: z.ZodOptional<
                        z.ZodArray<
                          z.ZodObject<
                            {
                              taskType: z.ZodString;
                              taskUUID: z.ZodString;
                              warnings: z.ZodOptional<
                                z.ZodArray<
                                  z.ZodObject<
                                    {
                                      code: z.ZodEnum<{
                                        ignoredParameter: 'ignoredParameter';
                                        unknownParameter: 'unknownParameter';
                                      }>;
                                      message: z.ZodString;
                                      parameter: z.ZodString;
                                    },
                                    z.core.$strict
                                  >
                                >
                              >;
                              status: z.ZodLiteral<'success'>;
                              imageUUID: z.ZodString;
                              imageURL: z.ZodURL;
                              imageBase64Data: z.ZodOptional<z.ZodBase64>;
                              imageDataURI: z.ZodOptional<z.ZodString>;
                              seed: z.ZodUnion<readonly [z.ZodInt, z.ZodBigInt]>;
                              resultIndex: z.ZodInt;
                              cost: z.ZodOptional<z.ZodNumber>;
                            },
                            z.core.$strict
                          >
                        >
                      >;
                      errors: z.ZodOptional<
                        z.ZodTuple<
                          [
                            z.ZodObject<
                              {
                                code: z.ZodCustom<ErrorCode, ErrorCode>;
                                message: z.ZodString;
                                parameter: z.ZodOptional<z.ZodString>;
                                type: z.ZodOptional<z.ZodString>;
                                documentation: z.ZodOptional<z.ZodURL>;
                                taskUUID: z.ZodOptional<z.ZodString>;
                                taskType: z.ZodOptional<z.ZodString>;
                                min: z.ZodOptional<z.ZodNumber>;
                                max: z.ZodOptional<z.ZodUnion<readonly [z.ZodNumber, z.ZodBigInt]>>;
                                default: z.ZodOptional<z.ZodUnion<readonly [z.ZodString, z.ZodNumber, z.ZodBoolean]>>;
                                allowedValues: z.ZodOptional<
                                  z.ZodReadonly<
                                    z.ZodArray<z.ZodUnion<readonly [z.ZodString, z.ZodNumber, z.ZodBoolean]>>
                                  >
                                >;
                                retryAfterMs: z.ZodOptional<z.ZodInt>;
                              },
                              z.core.$strict
                            >,
                          ],
                          null
                        >
                      >;
                    },
                    z.core.$strict
                  >;
                },
                z.core.$strict
              >,
            ]
          >
        >;
      },
      z.core.$strict
    >,
    z.ZodObject<
      {
        events: z.ZodTuple<
          [
            z.ZodDiscriminatedUnion<
              [
                z.ZodObject<
                  {
                    taskType: z.ZodString;
                    taskUUID: z.ZodString;
                    event: z.ZodLiteral<'queued'>;
                    position: z.ZodInt;
                  },
                  z.core.$strict
                >,
                z.ZodObject<
                  {
                    taskType: z.ZodString;
                    taskUUID: z.ZodString;
                    event: z.ZodLiteral<'loading'>;
                    component: z.ZodString;
                    progress: z.ZodNumber;
                  },
                  z.core.$strict
                >,
                z.ZodObject<
                  {
                    taskType: z.ZodString;
                    taskUUID: z.ZodString;
                    resultIndex: z.ZodInt;
                    event: z.ZodLiteral<'started'>;
                    steps: z.ZodInt;
                  },
                  z.core.$strict
                >,
                z.ZodObject<
                  {
                    taskType: z.ZodString;
                    taskUUID: z.ZodString;
                    resultIndex: z.ZodInt;
                    event: z.ZodLiteral<'stepped'>;
                    step: z.ZodInt;
                    steps: z.ZodInt;
                  },
                  z.core.$strict
                >,
                z.ZodObject<
                  {
                    taskType: z.ZodString;
                    taskUUID: z.ZodString;
                    resultIndex: z.ZodInt;
                    step: z.ZodInt;
                    steps: z.ZodInt;
                    width: z.ZodInt;
                    height: z.ZodInt;
                    format: z.ZodEnum<{
                      JPG: 'JPG';
                      PNG: 'PNG';
                      WEBP: 'WEBP';
                    }>;
                    imageBase64Data: z.ZodOptional<z.ZodBase64>;
                    event: z.ZodLiteral<'previewed'>;
                  },
                  z.core.$strict
                >,
                z.ZodObject<
                  {
                    taskType: z.ZodString;
                    taskUUID: z.ZodString;
                    event: z.ZodLiteral<'cancelled'>;
                    reason: z.ZodEnum<{
                      cancelled: 'cancelled';
                      superseded: 'superseded';
                    }>;
                  },
                  z.core.$strict
                >,
              ],
              'event'
            >,
          ],
          null
        >;
      },
      z.core.$strict
    >,
    z.ZodObject<
      {
        errors: z.ZodTuple<
          [
            z.ZodObject<
              {
                code: z.ZodCustom<ErrorCode, ErrorCode>;
                message: z.ZodString;
                parameter: z.ZodOptional<z.ZodString>;
                type: z.ZodOptional<z.ZodString>;
                documentation: z.ZodOptional<z.ZodURL>;
                taskUUID: z.ZodOptional<z.ZodString>;
                taskType: z.ZodOptional<z.ZodString>;
                min: z.ZodOptional<z.ZodNumber>;
                max: z.ZodOptional<z.ZodUnion<readonly [z.ZodNumber, z.ZodBigInt]>>;
                default: z.ZodOptional<z.ZodUnion<readonly [z.ZodString, z.ZodNumber, z.ZodBoolean]>>;
                allowedValues: z.ZodOptional<
                  z.ZodReadonly<z.ZodArray<z.ZodUnion<readonly [z.ZodString, z.ZodNumber, z.ZodBoolean]>>>
                >;
                retryAfterMs: z.ZodOptional<z.ZodInt>;
              },
              z.core.$strict
            >,
          ],
          null
        >;
        error: z.ZodOptional<
          z.ZodObject<
            {
              code: z.ZodCustom<ErrorCode, ErrorCode>;
              message: z.ZodString;
              parameter: z.ZodOptional<z.ZodString>;
              type: z.ZodOptional<z.ZodString>;
              documentation: z.ZodOptional<z.ZodURL>;
              taskUUID: z.ZodOptional<z.ZodString>;
              taskType: z.ZodOptional<z.ZodString>;
              min: z.ZodOptional<z.ZodNumber>;
              max: z.ZodOptional<z.ZodUnion<readonly [z.ZodNumber, z.ZodBigInt]>>;
              default: z.ZodOptional<z.ZodUnion<readonly [z.ZodString, z.ZodNumber, z.ZodBoolean]>>;
              allowedValues: z.ZodOptional<
                z.ZodReadonly<z.ZodArray<z.ZodUnion<readonly [z.ZodString, z.ZodNumber, z.ZodBoolean]>>>
              >;
              retryAfterMs: z.ZodOptional<z.ZodInt>;
            },
            z.core.$strict
          >
        >;
      },
      z.core.$strict
    >,
  ]
>;
/** What the HTTP twin answers: results, or errors in both spellings beside the results that there are. */
export declare const httpReplySchema: z.ZodUnion<
  readonly [
    z.ZodObject<
      {
        data: z.ZodArray<
          z.ZodUnion<
            readonly [
              z.ZodUnion<
                readonly [
                  z.ZodObject<
                    {
                      taskType: z.ZodLiteral<'authentication'>;
                      connectionSessionUUID: z.ZodString;
                      warnings: z.ZodOptional<
                        z.ZodArray<
                          z.ZodObject<
                            {
                              code: z.ZodEnum<{
                                ignoredParameter: 'ignoredParameter';
                                unknownParameter: 'unknownParameter';
                              }>;
                              message: z.ZodString;
                              parameter: z.ZodString;
                            },
                            z.core.$strict
                          >
                        >
                      >;
                    },
                    z.core.$strict
                  >,
                  z.ZodObject<
                    {
                      taskType: z.ZodLiteral<'ping'>;
                      pong: z.ZodLiteral<true>;
                    },
                    z.core.$strict
                  >,
                  z.ZodObject<
                    {
                      taskType: z.ZodString;
                      taskUUID: z.ZodString;
                      warnings: z.ZodOptional<
                        z.ZodArray<
                          z.ZodObject<
                            {
                              code: z.ZodEnum<{
                                ignoredParameter: 'ignoredParameter';
                                unknownParameter: 'unknownParameter';
                              }>;
                              message: z.ZodString;
                              parameter: z.ZodString;
                            },
                            z.core.$strict
                          >
                        >
                      >;
                      status: z.ZodLiteral<'success'>;
                      imageUUID: z.ZodString;
                      imageURL: z.ZodURL;
                      imageBase64Data: z.ZodOptional<z.ZodBase64>;
                      imageDataURI: z.ZodOptional<z.ZodString>;
                      seed: z.ZodUnion<readonly [z.ZodInt, z.ZodBigInt]>;
                      resultIndex: z.ZodInt;
                      cost: z.ZodOptional<z.ZodNumber>;
                    },
                    z.core.$strict
                  >,
                  z.ZodObject<
                    {
                      taskType: z.ZodString;
                      taskUUID: z.ZodString;
                      warnings: z.ZodOptional<
                        z.ZodArray<
                          z.ZodObject<
                            {
                              code: z.ZodEnum<{
                                ignoredParameter: 'ignoredParameter';
                                unknownParameter: 'unknownParameter';
                              }>;
                              message: z.ZodString;
                              parameter: z.ZodString;
                            },
                            z.core.$strict
                          >
                        >
                      >;
                      imageUUID: z.ZodString;
                      imageURL: z.ZodURL;
                    },
                    z.core.$strict
                  >,
                  z.ZodObject<
                    {
                      taskType: z.ZodString;
                      taskUUID: z.ZodString;
                      warnings: z.ZodOptional<
                        z.ZodArray<
                          z.ZodObject<
                            {
                              code: z.ZodEnum<{
                                ignoredParameter: 'ignoredParameter';
                                unknownParameter: 'unknownParameter';
                              }>;
                              message: z.ZodString;
                              parameter: z.ZodString;
                            },
                            z.core.$strict
                          >
                        >
                      >;
                      operation: z.ZodEnum<{
                        delete: 'delete';
                        upload: 'upload';
                      }>;
                      mediaUUID: z.ZodString;
                      mediaURL: z.ZodOptional<z.ZodURL>;
                    },
                    z.core.$strict
                  >,
                  z.ZodObject<
                    {
                      taskType: z.ZodString;
                      taskUUID: z.ZodString;
                      warnings: z.ZodOptional<
                        z.ZodArray<
                          z.ZodObject<
                            {
                              code: z.ZodEnum<{
                                ignoredParameter: 'ignoredParameter';
                                unknownParameter: 'unknownParameter';
                              }>;
                              message: z.ZodString;
                              parameter: z.ZodString;
                            },
                            z.core.$strict
                          >
                        >
                      >;
                      status: z.ZodLiteral<'processing'>;
                      progress: z.ZodOptional<z.ZodNumber>;
                      loading: z.ZodOptional<
                        z.ZodObject<
                          {
                            component: z.ZodString;
                            progress: z.ZodNumber;
                          },
                          z.core.$strict
                        >
                      >;
                      preview: z.ZodOptional<
                        z.ZodObject<
                          {
                            resultIndex: z.ZodInt;
                            step: z.ZodInt;
                            steps: z.ZodInt;
                            width: z.ZodInt;
                            height: z.ZodInt;
                            format: z.ZodEnum<{
                              JPG: 'JPG';
                              PNG: 'PNG';
                              WEBP: 'WEBP';
                            }>;
                            imageBase64Data: z.ZodOptional<z.ZodBase64>;
                          },
                          z.core.$strict
                        >
                      >;
                    },
                    z.core.$strict
                  >,
                  z.ZodObject<
                    {
                      taskType: z.ZodString;
                      taskUUID: z.ZodString;
                      warnings: z.ZodOptional<
                        z.ZodArray<
                          z.ZodObject<
                            {
                              code: z.ZodEnum<{
                                ignoredParameter: 'ignoredParameter';
                                unknownParameter: 'unknownParameter';
                              }>;
                              message: z.ZodString;
                              parameter: z.ZodString;
                            },
                            z.core.$strict
                          >
                        >
                      >;
                      cancelled: z.ZodArray<z.ZodString>;
                    },
                    z.core.$strict
                  >,
                  z.ZodObject<
                    {
                      taskType: z.ZodString;
                      taskUUID: z.ZodString;
                      warnings: z.ZodOptional<
                        z.ZodArray<
                          z.ZodObject<
                            {
                              code: z.ZodEnum<{
                                ignoredParameter: 'ignoredParameter';
                                unknownParameter: 'unknownParameter';
                              }>;
                              message: z.ZodString;
                              parameter: z.ZodString;
                            },
                            z.core.$strict
                          >
                        >
                      >;
                      results: z.ZodArray<
                        z.ZodDiscriminatedUnion<
                          [
                            z.ZodObject<
                              {
                                air: z.ZodString;
                                name: z.ZodString;
                                version: z.ZodString;
                                architecture: z.ZodString;
                                type: z.ZodString;
                                tags: z.ZodArray<z.ZodString>;
                                heroImage: z.ZodOptional<z.ZodURL>;
                                private: z.ZodBoolean;
                                comment: z.ZodString;
                                available: z.ZodBoolean;
                                reason: z.ZodOptional<z.ZodString>;
                                precision: z.ZodOptional<z.ZodString>;
                                sizeBytes: z.ZodOptional<z.ZodInt>;
                                category: z.ZodLiteral<'checkpoint'>;
                                defaultWidth: z.ZodInt;
                                defaultHeight: z.ZodInt;
                                defaultSteps: z.ZodInt;
                                defaultScheduler: z.ZodString;
                                defaultCFG: z.ZodNumber;
                                defaultStrength: z.ZodOptional<z.ZodNumber>;
                                schedulers: z.ZodOptional<z.ZodArray<z.ZodString>>;
                                previewDecoders: z.ZodOptional<z.ZodArray<z.ZodString>>;
                              },
                              z.core.$strict
                            >,
                            z.ZodObject<
                              {
                                air: z.ZodString;
                                name: z.ZodString;
                                version: z.ZodString;
                                architecture: z.ZodString;
                                type: z.ZodString;
                                tags: z.ZodArray<z.ZodString>;
                                heroImage: z.ZodOptional<z.ZodURL>;
                                private: z.ZodBoolean;
                                comment: z.ZodString;
                                available: z.ZodBoolean;
                                reason: z.ZodOptional<z.ZodString>;
                                precision: z.ZodOptional<z.ZodString>;
                                sizeBytes: z.ZodOptional<z.ZodInt>;
                                category: z.ZodEnum<{
                                  controlnet: 'controlnet';
                                  embeddings: 'embeddings';
                                  lora: 'lora';
                                  vae: 'vae';
                                }>;
                              },
                              z.core.$strict
                            >,
                          ],
                          'category'
                        >
                      >;
                      totalResults: z.ZodInt;
                    },
                    z.core.$strict
                  >,
                ]
              >,
              z.ZodObject<
                {
                  taskType: z.ZodString;
                  taskUUID: z.ZodString;
                  warnings: z.ZodOptional<
                    z.ZodArray<
                      z.ZodObject<
                        {
                          code: z.ZodEnum<{
                            ignoredParameter: 'ignoredParameter';
                            unknownParameter: 'unknownParameter';
                          }>;
                          message: z.ZodString;
                          parameter: z.ZodString;
                        },
                        z.core.$strict
                      >
                    >
                  >;
                  operation: z.ZodString;
                  organizationName: z.ZodString;
                  organizationUUID: z.ZodString;
                  balance: z.ZodObject<
                    {
                      amount: z.ZodNumber;
                      freeBalance: z.ZodNumber;
                      currency: z.ZodString;
                    },
                    z.core.$strict
                  >;
                  team: z.ZodTuple<[], null>;
                  apiKeys: z.ZodTuple<[], null>;
                  usage: z.ZodObject<
                    {
                      today: z.ZodObject<
                        {
                          count: z.ZodInt;
                          spend: z.ZodOptional<z.ZodNumber>;
                          clientErrors: z.ZodOptional<z.ZodInt>;
                          serverErrors: z.ZodOptional<z.ZodInt>;
                          avgInferenceTime: z.ZodOptional<z.ZodInt>;
                          p50InferenceTime: z.ZodOptional<z.ZodInt>;
                          p90InferenceTime: z.ZodOptional<z.ZodInt>;
                          p99InferenceTime: z.ZodOptional<z.ZodInt>;
                        },
                        z.core.$strict
                      >;
                      last7Days: z.ZodObject<
                        {
                          count: z.ZodInt;
                          spend: z.ZodOptional<z.ZodNumber>;
                          clientErrors: z.ZodOptional<z.ZodInt>;
                          serverErrors: z.ZodOptional<z.ZodInt>;
                          avgInferenceTime: z.ZodOptional<z.ZodInt>;
                          p50InferenceTime: z.ZodOptional<z.ZodInt>;
                          p90InferenceTime: z.ZodOptional<z.ZodInt>;
                          p99InferenceTime: z.ZodOptional<z.ZodInt>;
                        },
                        z.core.$strict
                      >;
                      last30Days: z.ZodObject<
                        {
                          count: z.ZodInt;
                          spend: z.ZodOptional<z.ZodNumber>;
                          clientErrors: z.ZodOptional<z.ZodInt>;
                          serverErrors: z.ZodOptional<z.ZodInt>;
                          avgInferenceTime: z.ZodOptional<z.ZodInt>;
                          p50InferenceTime: z.ZodOptional<z.ZodInt>;
                          p90InferenceTime: z.ZodOptional<z.ZodInt>;
                          p99InferenceTime: z.ZodOptional<z.ZodInt>;
                        },
                        z.core.$strict
                      >;
                      total: z.ZodObject<
                        {
                          count: z.ZodInt;
                          spend: z.ZodOptional<z.ZodNumber>;
                          clientErrors: z.ZodOptional<z.ZodInt>;
                          serverErrors: z.ZodOptional<z.ZodInt>;
                          avgInferenceTime: z.ZodOptional<z.ZodInt>;
                          p50InferenceTime: z.ZodOptional<z.ZodInt>;
                          p90InferenceTime: z.ZodOptional<z.ZodInt>;
                          p99InferenceTime: z.ZodOptional<z.ZodInt>;
                        },
                        z.core.$strict
                      >;
                      timeseries: z.ZodOptional<
                        z.ZodArray<
                          z.ZodObject<
                            {
                              count: z.ZodInt;
                              spend: z.ZodOptional<z.ZodNumber>;
                              clientErrors: z.ZodOptional<z.ZodInt>;
                              serverErrors: z.ZodOptional<z.ZodInt>;
                              avgInferenceTime: z.ZodOptional<z.ZodInt>;
                              p50InferenceTime: z.ZodOptional<z.ZodInt>;
                              p90InferenceTime: z.ZodOptional<z.ZodInt>;
                              p99InferenceTime: z.ZodOptional<z.ZodInt>;
                              date: z.ZodISODate;
                            },
                            z.core.$strict
                          >
                        >
                      >;
                      model: z.ZodOptional<
                        z.ZodArray<
                          z.ZodObject<
                            {
                              count: z.ZodInt;
                              spend: z.ZodOptional<z.ZodNumber>;
                              clientErrors: z.ZodOptional<z.ZodInt>;
                              serverErrors: z.ZodOptional<z.ZodInt>;
                              avgInferenceTime: z.ZodOptional<z.ZodInt>;
                              p50InferenceTime: z.ZodOptional<z.ZodInt>;
                              p90InferenceTime: z.ZodOptional<z.ZodInt>;
                              p99InferenceTime: z.ZodOptional<z.ZodInt>;
                              model: z.ZodString;
                            },
                            z.core.$strict
                          >
                        >
                      >;
                      apiKey: z.ZodOptional<
                        z.ZodArray<
                          z.ZodObject<
                            {
                              count: z.ZodInt;
                              spend: z.ZodOptional<z.ZodNumber>;
                              clientErrors: z.ZodOptional<z.ZodInt>;
                              serverErrors: z.ZodOptional<z.ZodInt>;
                              avgInferenceTime: z.ZodOptional<z.ZodInt>;
                              p50InferenceTime: z.ZodOptional<z.ZodInt>;
                              p90InferenceTime: z.ZodOptional<z.ZodInt>;
                              p99InferenceTime: z.ZodOptional<z.ZodInt>;
                              apiKey: z.ZodString;
                            },
                            z.core.$strict
                          >
                        >
                      >;
                    },
                    z.core.$strict
                  >;
                },
                z.core.$strict
              >,
              z.ZodObject<
                {
                  taskType: z.ZodString;
                  taskUUID: z.ZodString;
                  warnings: z.ZodOptional<
                    z.ZodArray<
                      z.ZodObject<
                        {
                          code: z.ZodEnum<{
                            ignoredParameter: 'ignoredParameter';
                            unknownParameter: 'unknownParameter';
                          }>;
                          message: z.ZodString;
                          parameter: z.ZodString;
                        },
                        z.core.$strict
                      >
                    >
                  >;
                  status: z.ZodLiteral<'success'>;
                  request: z.ZodTuple<[z.ZodRecord<z.ZodString, z.ZodUnknown>], null>;
                  response: z.ZodObject<
                    {
                      data: z.ZodOptional<
                        z.ZodArray<
                          z.ZodObject<
                            {
                              taskType: z.ZodString;
                              taskUUID: z.ZodString;
                              warnings: z.ZodOptional<
                                z.ZodArray<
                                  z.ZodObject<
                                    {
                                      code: z.ZodEnum<{
                                        ignoredParameter: 'ignoredParameter';
                                        unknownParameter: 'unknownParameter';
                                      }>;
                                      message: z.ZodString;
                                      parameter: z.ZodString;
                                    },
                                    z.core.$strict
                                  >
                                >
                              >;
                              status: z.ZodLiteral<'success'>;
                              imageUUID: z.ZodString;
                              imageURL: z.ZodURL;
                              imageBase64Data: z.ZodOptional<z.ZodBase64>;
                              imageDataURI: z.ZodOptional<z.ZodString>;
                              seed: z.ZodUnion<readonly [z.ZodInt, z.ZodBigInt]>;
                              resultIndex: z.ZodInt;
                              cost: z.ZodOptional<z.ZodNumber>;
                            },
                            z.core.$strict
                          >
                        >
                      >;
                      errors: z.ZodOptional<
                        z.ZodTuple<
                          [
                            z.ZodObject<
                              {
                                code: z.ZodCustom<ErrorCode, ErrorCode>;
                                message: z.ZodString;
                                parameter: z.ZodOptional<z.ZodString>;
                                type: z.ZodOptional<z.ZodString>;
                                documentation: z.ZodOptional<z.ZodURL>;
                                taskUUID: z.ZodOptional<z.ZodString>;
                                taskType: z.ZodOptional<z.ZodString>;
                                min: z.ZodOptional<z.ZodNumber>;
                                max: z.ZodOptional<z.ZodUnion<readonly [z.ZodNumber, z.ZodBigInt]>>;
                                default: z.ZodOptional<z.ZodUnion<readonly [z.ZodString, z.ZodNumber, z.ZodBoolean]>>;
                                allowedValues: z.ZodOptional<
                                  z.ZodReadonly<
                                    z.ZodArray<z.ZodUnion<readonly [z.ZodString, z.ZodNumber, z.ZodBoolean]>>
                                  >
                                >;
                                retryAfterMs: z.ZodOptional<z.ZodInt>;
                              },
                              z.core.$strict
                            >,
                          ],
                          null
                        >
                      >;
                    },
                    z.core.$strict
                  >;
                },
                z.core.$strict
              >,
            ]
          >
        >;
      },
      z.core.$strict
    >,
    z.ZodObject<
      {
        data: z.ZodOptional<
          z.ZodArray<
            z.ZodUnion<
              readonly [
                z.ZodUnion<
                  readonly [
                    z.ZodObject<
                      {
                        taskType: z.ZodLiteral<'authentication'>;
                        connectionSessionUUID: z.ZodString;
                        warnings: z.ZodOptional<
                          z.ZodArray<
                            z.ZodObject<
                              {
                                code: z.ZodEnum<{
                                  ignoredParameter: 'ignoredParameter';
                                  unknownParameter: 'unknownParameter';
                                }>;
                                message: z.ZodString;
                                parameter: z.ZodString;
                              },
                              z.core.$strict
                            >
                          >
                        >;
                      },
                      z.core.$strict
                    >,
                    z.ZodObject<
                      {
                        taskType: z.ZodLiteral<'ping'>;
                        pong: z.ZodLiteral<true>;
                      },
                      z.core.$strict
                    >,
                    z.ZodObject<
                      {
                        taskType: z.ZodString;
                        taskUUID: z.ZodString;
                        warnings: z.ZodOptional<
                          z.ZodArray<
                            z.ZodObject<
                              {
                                code: z.ZodEnum<{
                                  ignoredParameter: 'ignoredParameter';
                                  unknownParameter: 'unknownParameter';
                                }>;
                                message: z.ZodString;
                                parameter: z.ZodString;
                              },
                              z.core.$strict
                            >
                          >
                        >;
                        status: z.ZodLiteral<'success'>;
                        imageUUID: z.ZodString;
                        imageURL: z.ZodURL;
                        imageBase64Data: z.ZodOptional<z.ZodBase64>;
                        imageDataURI: z.ZodOptional<z.ZodString>;
                        seed: z.ZodUnion<readonly [z.ZodInt, z.ZodBigInt]>;
                        resultIndex: z.ZodInt;
                        cost: z.ZodOptional<z.ZodNumber>;
                      },
                      z.core.$strict
                    >,
                    z.ZodObject<
                      {
                        taskType: z.ZodString;
                        taskUUID: z.ZodString;
                        warnings: z.ZodOptional<
                          z.ZodArray<
                            z.ZodObject<
                              {
                                code: z.ZodEnum<{
                                  ignoredParameter: 'ignoredParameter';
                                  unknownParameter: 'unknownParameter';
                                }>;
                                message: z.ZodString;
                                parameter: z.ZodString;
                              },
                              z.core.$strict
                            >
                          >
                        >;
                        imageUUID: z.ZodString;
                        imageURL: z.ZodURL;
                      },
                      z.core.$strict
                    >,
                    z.ZodObject<
                      {
                        taskType: z.ZodString;
                        taskUUID: z.ZodString;
                        warnings: z.ZodOptional<
                          z.ZodArray<
                            z.ZodObject<
                              {
                                code: z.ZodEnum<{
                                  ignoredParameter: 'ignoredParameter';
                                  unknownParameter: 'unknownParameter';
                                }>;
                                message: z.ZodString;
                                parameter: z.ZodString;
                              },
                              z.core.$strict
                            >
                          >
                        >;
                        operation: z.ZodEnum<{
                          delete: 'delete';
                          upload: 'upload';
                        }>;
                        mediaUUID: z.ZodString;
                        mediaURL: z.ZodOptional<z.ZodURL>;
                      },
                      z.core.$strict
                    >,
                    z.ZodObject<
                      {
                        taskType: z.ZodString;
                        taskUUID: z.ZodString;
                        warnings: z.ZodOptional<
                          z.ZodArray<
                            z.ZodObject<
                              {
                                code: z.ZodEnum<{
                                  ignoredParameter: 'ignoredParameter';
                                  unknownParameter: 'unknownParameter';
                                }>;
                                message: z.ZodString;
                                parameter: z.ZodString;
                              },
                              z.core.$strict
                            >
                          >
                        >;
                        status: z.ZodLiteral<'processing'>;
                        progress: z.ZodOptional<z.ZodNumber>;
                        loading: z.ZodOptional<
                          z.ZodObject<
                            {
                              component: z.ZodString;
                              progress: z.ZodNumber;
                            },
                            z.core.$strict
                          >
                        >;
                        preview: z.ZodOptional<
                          z.ZodObject<
                            {
                              resultIndex: z.ZodInt;
                              step: z.ZodInt;
                              steps: z.ZodInt;
                              width: z.ZodInt;
                              height: z.ZodInt;
                              format: z.ZodEnum<{
                                JPG: 'JPG';
                                PNG: 'PNG';
                                WEBP: 'WEBP';
                              }>;
                              imageBase64Data: z.ZodOptional<z.ZodBase64>;
                            },
                            z.core.$strict
                          >
                        >;
                      },
                      z.core.$strict
                    >,
                    z.ZodObject<
                      {
                        taskType: z.ZodString;
                        taskUUID: z.ZodString;
                        warnings: z.ZodOptional<
                          z.ZodArray<
                            z.ZodObject<
                              {
                                code: z.ZodEnum<{
                                  ignoredParameter: 'ignoredParameter';
                                  unknownParameter: 'unknownParameter';
                                }>;
                                message: z.ZodString;
                                parameter: z.ZodString;
                              },
                              z.core.$strict
                            >
                          >
                        >;
                        cancelled: z.ZodArray<z.ZodString>;
                      },
                      z.core.$strict
                    >,
                    z.ZodObject<
                      {
                        taskType: z.ZodString;
                        taskUUID: z.ZodString;
                        warnings: z.ZodOptional<
                          z.ZodArray<
                            z.ZodObject<
                              {
                                code: z.ZodEnum<{
                                  ignoredParameter: 'ignoredParameter';
                                  unknownParameter: 'unknownParameter';
                                }>;
                                message: z.ZodString;
                                parameter: z.ZodString;
                              },
                              z.core.$strict
                            >
                          >
                        >;
                        results: z.ZodArray<
                          z.ZodDiscriminatedUnion<
                            [
                              z.ZodObject<
                                {
                                  air: z.ZodString;
                                  name: z.ZodString;
                                  version: z.ZodString;
                                  architecture: z.ZodString;
                                  type: z.ZodString;
                                  tags: z.ZodArray<z.ZodString>;
                                  heroImage: z.ZodOptional<z.ZodURL>;
                                  private: z.ZodBoolean;
                                  comment: z.ZodString;
                                  available: z.ZodBoolean;
                                  reason: z.ZodOptional<z.ZodString>;
                                  precision: z.ZodOptional<z.ZodString>;
                                  sizeBytes: z.ZodOptional<z.ZodInt>;
                                  category: z.ZodLiteral<'checkpoint'>;
                                  defaultWidth: z.ZodInt;
                                  defaultHeight: z.ZodInt;
                                  defaultSteps: z.ZodInt;
                                  defaultScheduler: z.ZodString;
                                  defaultCFG: z.ZodNumber;
                                  defaultStrength: z.ZodOptional<z.ZodNumber>;
                                  schedulers: z.ZodOptional<z.ZodArray<z.ZodString>>;
                                  previewDecoders: z.ZodOptional<z.ZodArray<z.ZodString>>;
                                },
                                z.core.$strict
                              >,
                              z.ZodObject<
                                {
                                  air: z.ZodString;
                                  name: z.ZodString;
                                  version: z.ZodString;
                                  architecture: z.ZodString;
                                  type: z.ZodString;
                                  tags: z.ZodArray<z.ZodString>;
                                  heroImage: z.ZodOptional<z.ZodURL>;
                                  private: z.ZodBoolean;
                                  comment: z.ZodString;
                                  available: z.ZodBoolean;
                                  reason: z.ZodOptional<z.ZodString>;
                                  precision: z.ZodOptional<z.ZodString>;
                                  sizeBytes: z.ZodOptional<z.ZodInt>;
                                  category: z.ZodEnum<{
                                    controlnet: 'controlnet';
                                    embeddings: 'embeddings';
                                    lora: 'lora';
                                    vae: 'vae';
                                  }>;
                                },
                                z.core.$strict
                              >,
                            ],
                            'category'
                          >
                        >;
                        totalResults: z.ZodInt;
                      },
                      z.core.$strict
                    >,
                  ]
                >,
                z.ZodObject<
                  {
                    taskType: z.ZodString;
                    taskUUID: z.ZodString;
                    warnings: z.ZodOptional<
                      z.ZodArray<
                        z.ZodObject<
                          {
                            code: z.ZodEnum<{
                              ignoredParameter: 'ignoredParameter';
                              unknownParameter: 'unknownParameter';
                            }>;
                            message: z.ZodString;
                            parameter: z.ZodString;
                          },
                          z.core.$strict
                        >
                      >
                    >;
                    operation: z.ZodString;
                    organizationName: z.ZodString;
                    organizationUUID: z.ZodString;
                    balance: z.ZodObject<
                      {
                        amount: z.ZodNumber;
                        freeBalance: z.ZodNumber;
                        currency: z.ZodString;
                      },
                      z.core.$strict
                    >;
                    team: z.ZodTuple<[], null>;
                    apiKeys: z.ZodTuple<[], null>;
                    usage: z.ZodObject<
                      {
                        today: z.ZodObject<
                          {
                            count: z.ZodInt;
                            spend: z.ZodOptional<z.ZodNumber>;
                            clientErrors: z.ZodOptional<z.ZodInt>;
                            serverErrors: z.ZodOptional<z.ZodInt>;
                            avgInferenceTime: z.ZodOptional<z.ZodInt>;
                            p50InferenceTime: z.ZodOptional<z.ZodInt>;
                            p90InferenceTime: z.ZodOptional<z.ZodInt>;
                            p99InferenceTime: z.ZodOptional<z.ZodInt>;
                          },
                          z.core.$strict
                        >;
                        last7Days: z.ZodObject<
                          {
                            count: z.ZodInt;
                            spend: z.ZodOptional<z.ZodNumber>;
                            clientErrors: z.ZodOptional<z.ZodInt>;
                            serverErrors: z.ZodOptional<z.ZodInt>;
                            avgInferenceTime: z.ZodOptional<z.ZodInt>;
                            p50InferenceTime: z.ZodOptional<z.ZodInt>;
                            p90InferenceTime: z.ZodOptional<z.ZodInt>;
                            p99InferenceTime: z.ZodOptional<z.ZodInt>;
                          },
                          z.core.$strict
                        >;
                        last30Days: z.ZodObject<
                          {
                            count: z.ZodInt;
                            spend: z.ZodOptional<z.ZodNumber>;
                            clientErrors: z.ZodOptional<z.ZodInt>;
                            serverErrors: z.ZodOptional<z.ZodInt>;
                            avgInferenceTime: z.ZodOptional<z.ZodInt>;
                            p50InferenceTime: z.ZodOptional<z.ZodInt>;
                            p90InferenceTime: z.ZodOptional<z.ZodInt>;
                            p99InferenceTime: z.ZodOptional<z.ZodInt>;
                          },
                          z.core.$strict
                        >;
                        total: z.ZodObject<
                          {
                            count: z.ZodInt;
                            spend: z.ZodOptional<z.ZodNumber>;
                            clientErrors: z.ZodOptional<z.ZodInt>;
                            serverErrors: z.ZodOptional<z.ZodInt>;
                            avgInferenceTime: z.ZodOptional<z.ZodInt>;
                            p50InferenceTime: z.ZodOptional<z.ZodInt>;
                            p90InferenceTime: z.ZodOptional<z.ZodInt>;
                            p99InferenceTime: z.ZodOptional<z.ZodInt>;
                          },
                          z.core.$strict
                        >;
                        timeseries: z.ZodOptional<
                          z.ZodArray<
                            z.ZodObject<
                              {
                                count: z.ZodInt;
                                spend: z.ZodOptional<z.ZodNumber>;
                                clientErrors: z.ZodOptional<z.ZodInt>;
                                serverErrors: z.ZodOptional<z.ZodInt>;
                                avgInferenceTime: z.ZodOptional<z.ZodInt>;
                                p50InferenceTime: z.ZodOptional<z.ZodInt>;
                                p90InferenceTime: z.ZodOptional<z.ZodInt>;
                                p99InferenceTime: z.ZodOptional<z.ZodInt>;
                                date: z.ZodISODate;
                              },
                              z.core.$strict
                            >
                          >
                        >;
                        model: z.ZodOptional<
                          z.ZodArray<
                            z.ZodObject<
                              {
                                count: z.ZodInt;
                                spend: z.ZodOptional<z.ZodNumber>;
                                clientErrors: z.ZodOptional<z.ZodInt>;
                                serverErrors: z.ZodOptional<z.ZodInt>;
                                avgInferenceTime: z.ZodOptional<z.ZodInt>;
                                p50InferenceTime: z.ZodOptional<z.ZodInt>;
                                p90InferenceTime: z.ZodOptional<z.ZodInt>;
                                p99InferenceTime: z.ZodOptional<z.ZodInt>;
                                model: z.ZodString;
                              },
                              z.core.$strict
                            >
                          >
                        >;
                        apiKey: z.ZodOptional<
                          z.ZodArray<
                            z.ZodObject<
                              {
                                count: z.ZodInt;
                                spend: z.ZodOptional<z.ZodNumber>;
                                clientErrors: z.ZodOptional<z.ZodInt>;
                                serverErrors: z.ZodOptional<z.ZodInt>;
                                avgInferenceTime: z.ZodOptional<z.ZodInt>;
                                p50InferenceTime: z.ZodOptional<z.ZodInt>;
                                p90InferenceTime: z.ZodOptional<z.ZodInt>;
                                p99InferenceTime: z.ZodOptional<z.ZodInt>;
                                apiKey: z.ZodString;
                              },
                              z.core.$strict
                            >
                          >
                        >;
                      },
                      z.core.$strict
                    >;
                  },
                  z.core.$strict
                >,
                z.ZodObject<
                  {
                    taskType: z.ZodString;
                    taskUUID: z.ZodString;
                    warnings: z.ZodOptional<
                      z.ZodArray<
                        z.ZodObject<
                          {
                            code: z.ZodEnum<{
                              ignoredParameter: 'ignoredParameter';
                              unknownParameter: 'unknownParameter';
                            }>;
                            message: z.ZodString;
                            parameter: z.ZodString;
                          },
                          z.core.$strict
                        >
                      >
                    >;
                    status: z.ZodLiteral<'success'>;
                    request: z.ZodTuple<[z.ZodRecord<z.ZodString, z.ZodUnknown>], null>;
                    response: z.ZodObject<
                      {
                        data: z.ZodOptional<
                          z.ZodArray<
                            z.ZodObject<
                              {
                                taskType: z.ZodString;
                                taskUUID: z.ZodString;
                                warnings: z.ZodOptional<
                                  z.ZodArray<
                                    z.ZodObject<
                                      {
                                        code: z.ZodEnum<{
                                          ignoredParameter: 'ignoredParameter';
                                          unknownParameter: 'unknownParameter';
                                        }>;
                                        message: z.ZodString;
                                        parameter: z.ZodString;
                                      },
                                      z.core.$strict
                                    >
                                  >
                                >;
                                status: z.ZodLiteral<'success'>;
                                imageUUID: z.ZodString;
                                imageURL: z.ZodURL;
                                imageBase64Data: z.ZodOptional<z.ZodBase64>;
                                imageDataURI: z.ZodOptional<z.ZodString>;
                                seed: z.ZodUnion<readonly [z.ZodInt, z.ZodBigInt]>;
                                resultIndex: z.ZodInt;
                                cost: z.ZodOptional<z.ZodNumber>;
                              },
                              z.core.$strict
                            >
                          >
                        >;
                        errors: z.ZodOptional<
                          z.ZodTuple<
                            [
                              z.ZodObject<
                                {
                                  code: z.ZodCustom<ErrorCode, ErrorCode>;
                                  message: z.ZodString;
                                  parameter: z.ZodOptional<z.ZodString>;
                                  type: z.ZodOptional<z.ZodString>;
                                  documentation: z.ZodOptional<z.ZodURL>;
                                  taskUUID: z.ZodOptional<z.ZodString>;
                                  taskType: z.ZodOptional<z.ZodString>;
                                  min: z.ZodOptional<z.ZodNumber>;
                                  max: z.ZodOptional<z.ZodUnion<readonly [z.ZodNumber, z.ZodBigInt]>>;
                                  default: z.ZodOptional<z.ZodUnion<readonly [z.ZodString, z.ZodNumber, z.ZodBoolean]>>;
                                  allowedValues: z.ZodOptional<
                                    z.ZodReadonly<
                                      z.ZodArray<z.ZodUnion<readonly [z.ZodString, z.ZodNumber, z.ZodBoolean]>>
                                    >
                                  >;
                                  retryAfterMs: z.ZodOptional<z.ZodInt>;
                                },
                                z.core.$strict
                              >,
                            ],
                            null
                          >
                        >;
                      },
                      z.core.$strict
                    >;
                  },
                  z.core.$strict
                >,
              ]
            >
          >
        >;
        errors: z.ZodArray<
          z.ZodObject<
            {
              code: z.ZodCustom<ErrorCode, ErrorCode>;
              message: z.ZodString;
              parameter: z.ZodOptional<z.ZodString>;
              type: z.ZodOptional<z.ZodString>;
              documentation: z.ZodOptional<z.ZodURL>;
              taskUUID: z.ZodOptional<z.ZodString>;
              taskType: z.ZodOptional<z.ZodString>;
              min: z.ZodOptional<z.ZodNumber>;
              max: z.ZodOptional<z.ZodUnion<readonly [z.ZodNumber, z.ZodBigInt]>>;
              default: z.ZodOptional<z.ZodUnion<readonly [z.ZodString, z.ZodNumber, z.ZodBoolean]>>;
              allowedValues: z.ZodOptional<
                z.ZodReadonly<z.ZodArray<z.ZodUnion<readonly [z.ZodString, z.ZodNumber, z.ZodBoolean]>>>
              >;
              retryAfterMs: z.ZodOptional<z.ZodInt>;
            },
            z.core.$strict
          >
        >;
        error: z.ZodObject<
          {
            code: z.ZodCustom<ErrorCode, ErrorCode>;
            message: z.ZodString;
            parameter: z.ZodOptional<z.ZodString>;
            type: z.ZodOptional<z.ZodString>;
            documentation: z.ZodOptional<z.ZodURL>;
            taskUUID: z.ZodOptional<z.ZodString>;
            taskType: z.ZodOptional<z.ZodString>;
            min: z.ZodOptional<z.ZodNumber>;
            max: z.ZodOptional<z.ZodUnion<readonly [z.ZodNumber, z.ZodBigInt]>>;
            default: z.ZodOptional<z.ZodUnion<readonly [z.ZodString, z.ZodNumber, z.ZodBoolean]>>;
            allowedValues: z.ZodOptional<
              z.ZodReadonly<z.ZodArray<z.ZodUnion<readonly [z.ZodString, z.ZodNumber, z.ZodBoolean]>>>
            >;
            retryAfterMs: z.ZodOptional<z.ZodInt>;
          },
          z.core.$strict
        >;
      },
      z.core.$strict
    >,
  ]
>;
