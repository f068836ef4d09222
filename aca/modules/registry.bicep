// The registry of the image. scripts/deploy_aca deploys this module first, because the image must be there before the
// apps are.

@description('Region.')
param location string = resourceGroup().location
@description('Prefix of the name; the name itself must be the only one of its kind in Azure.')
param name string
@description('Tier.')
@allowed(['Basic', 'Standard', 'Premium'])
param sku string

resource registry 'Microsoft.ContainerRegistry/registries@2025-11-01' = {
  name: '${replace(name, '-', '')}${uniqueString(resourceGroup().id)}'
  location: location
  sku: {
    name: sku
  }
  properties: {
    // Only identities sign in.
    adminUserEnabled: false
    anonymousPullEnabled: false
  }
}

@description('Name of the registry.')
output name string = registry.name
@description('Host name of the registry.')
output server string = registry.properties.loginServer
