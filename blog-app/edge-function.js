/**
 * CloudFront Function (runtime 2.0) of the site's default behaviour, on viewer request: an address is a folder,
 * its page is the index.html in it. `/x/` is read from `/x/index.html`, `/x` is led to `/x/`.
 * https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/functions-event-structure.html
 */
function handler(event) {
  var request = event.request;
  if (request.uri.endsWith("/")) {
    request.uri += "index.html";
    return request;
  }
  if (isFolder(request.uri)) {
    return {
      statusCode: 301,
      statusDescription: "Moved Permanently",
      headers: {
        location: { value: request.uri + "/" + query(request.querystring) },
        "cache-control": { value: "public, max-age=3600" },
      },
    };
  }
  return request;
}

/** Whether each segment is a plain one, the last without an ending. `//host/x` is none: it would lead away. */
function isFolder(uri) {
  return /^(\/[\w~%-][\w.~%-]*)*\/[\w~%-]+$/.test(uri);
}

function query(parameters) {
  var pairs = Object.keys(parameters).flatMap(function (name) {
    return (parameters[name].multiValue || [parameters[name]]).map(function (parameter) {
      return parameter.value === "" ? name : name + "=" + parameter.value;
    });
  });
  return pairs.length ? "?" + pairs.join("&") : "";
}
