import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';

/** A model that adds its input `x` (float32 [4]) to itself and calls it `sum`; small enough to try a provider with. */
export function probeGraph(): Uint8Array {
  const value = (name: string) => {
    const writer = new BinaryWriter();
    writer.tag(1, WireType.LengthDelimited).string(name);
    writer.tag(2, WireType.LengthDelimited).fork().tag(1, WireType.LengthDelimited).fork();
    writer.tag(1, WireType.Varint).int32(1);
    writer.tag(2, WireType.LengthDelimited).fork().tag(1, WireType.LengthDelimited).fork();
    return writer.tag(1, WireType.Varint).int64(4).join().join().join().join().finish();
  };
  const node = new BinaryWriter();
  for (const input of ['x', 'x']) node.tag(1, WireType.LengthDelimited).string(input);
  node.tag(2, WireType.LengthDelimited).string('sum').tag(4, WireType.LengthDelimited).string('Add');
  const model = new BinaryWriter();
  model.tag(1, WireType.Varint).int64(8);
  model.tag(7, WireType.LengthDelimited).fork();
  model.tag(1, WireType.LengthDelimited).bytes(node.finish());
  model.tag(2, WireType.LengthDelimited).string('probe');
  model.tag(11, WireType.LengthDelimited).bytes(value('x'));
  model.tag(12, WireType.LengthDelimited).bytes(value('sum'));
  model.join();
  model.tag(8, WireType.LengthDelimited).fork();
  model.tag(1, WireType.LengthDelimited).string('').tag(2, WireType.Varint).int64(17).join();
  return model.finish();
}
