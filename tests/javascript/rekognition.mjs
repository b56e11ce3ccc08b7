// A program written for Amazon Rekognition; only `endpoint` and the signing lines are added.
//
//   node rekognition.mjs ADDRESS FOLDER SERVICE
//
// Indexes the pictures of FOLDER, looks for those people in a group photograph, compares two
// pictures and deletes everything. Prints what it found as JSON. SERVICE is what requests are signed
// for: execute-api (API Gateway), lambda (a function URL), or rekognition, as without these lines.
import { readFileSync } from "node:fs";
import {
  AssociateFacesCommand,
  CompareFacesCommand,
  CreateCollectionCommand,
  CreateUserCommand,
  DeleteCollectionCommand,
  DeleteFacesCommand,
  DeleteUserCommand,
  DescribeCollectionCommand,
  DetectFacesCommand,
  DetectTextCommand,
  DisassociateFacesCommand,
  IndexFacesCommand,
  ListCollectionsCommand,
  ListUsersCommand,
  paginateListFaces,
  RekognitionClient,
  ResourceAlreadyExistsException,
  SearchFacesByImageCommand,
  SearchFacesCommand,
  SearchUsersByImageCommand,
  SearchUsersCommand,
} from "@aws-sdk/client-rekognition";

const [endpoint, folder, service] = process.argv.slice(2);
const region = "eu-west-1";
const client = new RekognitionClient({
  region,
  credentials: { accessKeyId: "test", secretAccessKey: "test" },
  endpoint,
  signingName: service,
});
const image = (name) => ({ Bytes: readFileSync(`${folder}/${name}.jpg`) });
const CollectionId = "javascript";
const found = {};

const created = await client.send(new CreateCollectionCommand({ CollectionId }));
found.created = created.StatusCode;
try {
  await client.send(new CreateCollectionCommand({ CollectionId }));
} catch (error) {
  found.existing = error instanceof ResourceAlreadyExistsException;
}
const faces = {};
for (const name of ["grace_hopper", "grace_hopper_second", "eileen_collins"]) {
  const answer = await client.send(
    new IndexFacesCommand({ CollectionId, Image: image(name), ExternalImageId: `${name}.jpg` }),
  );
  faces[name] = answer.FaceRecords[0].Face.FaceId;
}
const listed = [];
for await (const page of paginateListFaces({ client, pageSize: 1 }, { CollectionId })) {
  listed.push(...page.Faces.map((face) => face.ExternalImageId));
}
found.listed = listed.sort();
const described = await client.send(new DescribeCollectionCommand({ CollectionId }));
found.described = [described.FaceCount, described.CreationTimestamp instanceof Date];
const collections = await client.send(new ListCollectionsCommand({}));
found.collections = collections.CollectionIds.includes(CollectionId);

const group = await client.send(new DetectFacesCommand({ Image: image("two_people") }));
found.group = group.FaceDetails.length;
const searched = await client.send(
  new SearchFacesByImageCommand({ CollectionId, Image: image("grace_hopper_second") }),
);
found.searched = searched.FaceMatches.map((match) => match.Face.ExternalImageId).sort();
const similar = await client.send(
  new SearchFacesCommand({ CollectionId, FaceId: faces.grace_hopper }),
);
found.similar = similar.FaceMatches.map((match) => match.Face.ExternalImageId);
const compared = await client.send(
  new CompareFacesCommand({ SourceImage: image("grace_hopper"), TargetImage: image("two_people") }),
);
found.compared = [compared.FaceMatches.length, compared.UnmatchedFaces.length];

const UserId = "grace";
await client.send(new CreateUserCommand({ CollectionId, UserId }));
const FaceIds = [faces.grace_hopper, faces.grace_hopper_second];
const associated = await client.send(new AssociateFacesCommand({ CollectionId, UserId, FaceIds }));
found.associated = [associated.AssociatedFaces.length, associated.UserStatus];
const users = await client.send(new ListUsersCommand({ CollectionId }));
found.users = users.Users;
const Image = image("two_people");
const seen = await client.send(new SearchUsersByImageCommand({ CollectionId, Image }));
found.seen = seen.UserMatches.map((match) => match.User.UserId);
const others = await client.send(new SearchUsersCommand({ CollectionId, UserId }));
found.others = others.UserMatches.length;
const released = await client.send(
  new DisassociateFacesCommand({ CollectionId, UserId, FaceIds: FaceIds.slice(1) }),
);
found.released = released.DisassociatedFaces.length;
await client.send(new DeleteUserCommand({ CollectionId, UserId }));
const deleted = await client.send(new DeleteFacesCommand({ CollectionId, FaceIds }));
found.deleted = deleted.DeletedFaces.length;
const gone = await client.send(new DeleteCollectionCommand({ CollectionId }));
found.gone = gone.StatusCode;
try {
  await client.send(new DetectTextCommand({ Image: image("two_people") }));
} catch (error) {
  found.unserved = error.name;
}
console.log(JSON.stringify(found));
