// A certificate of your own, which lies in a Key Vault. Azure takes over a renewed one from there.

@description('Region.')
param location string
@description('Prefix of the name.')
param name string
@description('Environment that uses it.')
param environmentName string
@description('Identity of the environment that may read it.')
param identityId string
@description('URL of the Key Vault secret.')
param certificateUrl string

resource environment 'Microsoft.App/managedEnvironments@2026-07-01' existing = {
  name: environmentName

  resource certificate 'certificates' = {
    name: '${name}-certificate'
    location: location
    properties: {
      certificateKeyVaultProperties: {
        identity: identityId
        keyVaultUrl: certificateUrl
      }
    }
  }
}

@description('Resource id.')
output id string = environment::certificate.id
